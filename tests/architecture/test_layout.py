"""The shape of the tree: a test file beside each source file, and no file too long to read."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "src" / "masklet"
UNIT = REPOSITORY / "tests" / "unit"
FILES = sorted(PACKAGE.rglob("*.py"))

MAX_LINES = 400

WITHOUT_UNIT_TEST = {
    "__main__.py": "three lines, run by tests/integration/test_cli.py",
}
"""Files that need no unit test of their own, with the reason. `__init__.py` files only re-export."""


def relative(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def test_each_source_file_has_a_test_file() -> None:
    missing = []
    for file in FILES:
        name = file.relative_to(PACKAGE)
        if file.name == "__init__.py" or name.as_posix() in WITHOUT_UNIT_TEST:
            continue
        test = UNIT / name.parent / f"test_{name.name}"
        if not test.exists():
            missing.append(f"{relative(test)} for {relative(file)}")
    assert not missing, "missing:\n" + "\n".join(missing)


def test_exceptions_are_still_needed() -> None:
    gone = [name for name in WITHOUT_UNIT_TEST if not (PACKAGE / name).exists()]
    assert not gone, f"these files no longer exist: {gone}"


@pytest.mark.parametrize("file", FILES, ids=relative)
def test_no_file_is_too_long(file: Path) -> None:
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES, f"{relative(file)} has {lines} lines; {MAX_LINES} is the limit: split it by concept"
