"""What `masklet everything` offers and refuses; what it does is shown in tests/integration/test_everything.py."""

from dataclasses import fields
from pathlib import Path

import pytest

from masklet.cli.console import UsageError
from masklet.cli.everything import everything
from masklet.cli.everything_options import EverythingOutput, FollowOptions
from masklet.cli.main import DONE, main
from masklet.io.formats.catalog import FORMATS
from masklet.predictors.generator_options import GeneratorOptions


def test_help_names_every_option_of_the_generator_and_every_format(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "240")  # so that long names are not broken
    assert main(["everything", "--help"]) == DONE
    shown = capsys.readouterr().out
    assert "For example:" in shown
    for field in fields(GeneratorOptions):
        assert f"--{field.name.replace('_', '-')}" in shown
    for name in (*FORMATS, "--video", "--look-again", "--max-objects", "--resume", "--format", "--output", "--model"):
        assert name in shown


@pytest.mark.parametrize("paths", [["a.mp4", "b.mp4"], []])
def test_one_video_at_a_time(paths: list[str], tmp_path: Path) -> None:
    output = EverythingOutput(output=tmp_path / "out")
    with pytest.raises(UsageError, match=f"one video, a file or a folder of frames, not {len(paths)}"):
        everything(paths, follow=FollowOptions(video=True), output=output)
    assert not output.output.exists()


def test_options_of_videos_are_not_for_pictures(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--max-objects is for videos"):
        everything(["a.jpg"], follow=FollowOptions(max_objects=3), output=EverythingOutput(output=tmp_path))
