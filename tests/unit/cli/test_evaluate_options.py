"""Options that the commands of `masklet evaluate` share."""

from pathlib import Path

import pytest
from cyclopts import App, CycloptsError
from PIL import Image

from masklet.cli.console import UsageError
from masklet.cli.evaluate_options import RunOptions, SequenceOptions, choose_model
from masklet.cli.options import ModelOptions
from masklet.evaluation.model_choice import ModelChoice


def parse(*tokens: str) -> tuple[SequenceOptions, RunOptions]:
    app = App(result_action="return_value")

    @app.default
    def command(
        *,
        sequences: SequenceOptions = SequenceOptions(),  # noqa: B008
        run: RunOptions = RunOptions(),  # noqa: B008
    ) -> tuple[SequenceOptions, RunOptions]:
        return sequences, run

    return app(list(tokens), exit_on_error=False, print_error=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("bear", "goat", "hen"):
        for folder in ("JPEGImages", "Annotations"):
            (tmp_path / folder / name).mkdir(parents=True)
            Image.new("L", (4, 4), 1).save(tmp_path / folder / name / "0.png")
    return tmp_path


def names(options: SequenceOptions, root: Path) -> list[str]:
    return [sequence.name for sequence in options.open(root).sequences]


def test_all_sequences(root: Path) -> None:
    sequences, run = parse()
    assert names(sequences, root) == ["bear", "goat", "hen"]
    assert run == RunOptions(workers=1, output=Path("out"), overwrite=False)


def test_some_sequences(root: Path) -> None:
    sequences, run = parse("--sequences", "hen", "bear", "--workers", "3", "--overwrite", "--kind", "folder")
    assert names(sequences, root) == ["bear", "hen"]
    assert run == RunOptions(workers=3, overwrite=True)


def test_a_file_of_sequences(root: Path) -> None:
    (root / "names.txt").write_text("goat\n")
    assert names(parse("--sequences", str(root / "names.txt"))[0], root) == ["goat"]


def test_an_unknown_kind(root: Path) -> None:
    with pytest.raises(UsageError, match="--kind davis is not known: the kinds are davis2017"):
        parse("--kind", "davis")[0].open(root)


def test_no_workers() -> None:
    with pytest.raises(CycloptsError):
        parse("--workers", "0")


def test_a_model_is_chosen_before_it_is_loaded() -> None:
    options = ModelOptions(model="not there yet", device="cpu", image_size=512)
    assert choose_model(options, "bfloat16", compile=True) == ModelChoice(
        source="not there yet", device="cpu", image_size=512, dtype="bfloat16", compile=True
    )


def test_a_device_that_is_not_here() -> None:
    with pytest.raises(UsageError, match="no device is called 'abacus'"):
        choose_model(ModelOptions(device="abacus"))
