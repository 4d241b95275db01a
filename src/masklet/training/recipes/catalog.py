"""Which recipes there are, and where they lie. The first line of each, a comment, says what it does."""

from pathlib import Path

FOLDER = Path(__file__).parent


def recipe_names() -> list[str]:
    """Names of the recipes."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find_recipe(name: str) -> Path | None:
    """The file of a recipe; None if there is none of this name."""
    return FOLDER / f"{name}.yaml" if name in recipe_names() else None


def summary(name: str) -> str:
    """What a recipe does, in a line."""
    with (FOLDER / f"{name}.yaml").open(encoding="utf-8") as file:
        return file.readline().lstrip("# ").rstrip("\n")
