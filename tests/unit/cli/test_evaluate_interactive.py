"""`masklet evaluate interactive`, called as a function, on a tiny model with random weights."""

import json
from pathlib import Path

import pytest

from masklet.cli.console import UsageError
from masklet.cli.evaluate_interactive import AnnotatorOptions, interactive
from masklet.cli.evaluate_options import RunOptions, SequenceOptions
from masklet.cli.options import ModelOptions

ANNOTATOR = AnnotatorOptions(mode="online", max_frames=2, clicks=1)


@pytest.fixture
def videos(make_squares, tmp_path: Path) -> Path:
    """Two videos of two objects each, which are on the first frame."""
    for name in ("a", "b"):
        make_squares(name, second_from=0, root=tmp_path / "videos")
    return tmp_path / "videos"


def test_everything_is_written_and_goes_on(videos: Path, model: ModelOptions, tmp_path: Path, capsys) -> None:
    run = RunOptions(output=tmp_path / "out")
    assert interactive(videos, annotator=ANNOTATOR, model=model, run=run) == 0
    first = (run.output / "results.json").read_text()
    known = json.loads(first)
    assert [step["frames"] for step in known["steps"]] == [1, 2]
    assert len((run.output / "results.csv").read_text().splitlines()) == 1 + 4 * 2
    assert "Corrected online: videos" in (run.output / "report.html").read_text()
    printed = capsys.readouterr().out
    assert printed.startswith("frames\tclicks\tJ&F\tJ\tF\n1\t")
    assert printed.endswith(f"J&F, mean of 1 to 2 frames: {known['mean_jf']:.1f}\n")
    written = (run.output / "sequences" / "a.json").stat().st_mtime_ns
    assert interactive(videos, annotator=ANNOTATOR, model=model, run=run) == 0
    assert (run.output / "sequences" / "a.json").stat().st_mtime_ns == written
    assert json.loads((run.output / "results.json").read_text())["mean_jf"] == pytest.approx(known["mean_jf"])


def test_sequences_can_be_chosen(videos: Path, model: ModelOptions, tmp_path: Path) -> None:
    run = RunOptions(output=tmp_path / "out")
    sequences = SequenceOptions(sequences=("b",))
    assert interactive(videos, sequences=sequences, annotator=ANNOTATOR, model=model, run=run) == 0
    assert [file.name for file in (run.output / "sequences").iterdir()] == ["b.json"]


def test_there_is_no_score_of_a_part(videos: Path, model: ModelOptions, tmp_path: Path, capsys) -> None:
    (videos / "JPEGImages" / "b" / "00002.png").write_bytes(b"no picture")
    run = RunOptions(output=tmp_path / "out")
    assert interactive(videos, annotator=ANNOTATOR, model=model, run=run) == 1
    told = capsys.readouterr()
    assert "00002.png" in told.err
    assert "1 of 2 sequences failed" in told.err
    assert not (run.output / "results.json").exists()
    assert (run.output / "sequences" / "a.json").exists()


def test_a_device_that_is_not_here_is_refused(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no device is called 'abacus'"):
        interactive(videos, model=ModelOptions(device="abacus"), run=RunOptions(output=tmp_path / "out"))
    assert not (tmp_path / "out").exists()
