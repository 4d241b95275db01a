"""`masklet convert`, called as a function; more in tests/integration/test_everything.py."""

from pathlib import Path

import numpy as np
import pytest

from masklet.cli.console import UsageError
from masklet.cli.convert import convert
from masklet.cli.main import DONE, MISUSED, main
from masklet.io.formats.catalog import FORMATS, open_writer, read_annotations
from masklet.io.formats.picture import AnnotatedPicture, ObjectMask


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    mask = np.zeros((20, 30), bool)
    mask[4:14, 4:14] = True
    objects = (ObjectMask.of_mask(mask, 1, label="cup", score=0.5), ObjectMask.of_mask(~mask, 2))
    with open_writer("coco", tmp_path / "coco") as writer:
        for name in ("a.jpg", "b.jpg"):
            writer.write(AnnotatedPicture(name=name, height=20, width=30, objects=objects))
    return tmp_path / "coco"


def test_labels_scores_and_masks_stay(coco: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert convert(coco, to="labelme", output=tmp_path / "new" / "out") == DONE
    assert capsys.readouterr().out == "4 masks on 2 pictures from coco to labelme\n"
    found = list(read_annotations("labelme", tmp_path / "new" / "out"))
    assert [picture.name for picture in found] == ["a.jpg", "b.jpg"]
    for picture in found:
        assert [(known.label, known.area) for known in picture.objects] == [("cup", 100), ("object", 500)]


def test_what_is_refused(coco: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for options, words in (
        ({"to": "koko"}, "no annotation format 'koko'"),
        ({"to": "sav"}, "of videos alone"),
        ({"to": "png", "kind": "koko"}, "'koko' to read: choose one of masklets, everything, "),
        ({"to": "png", "output": coco}, "at once"),
        ({"to": "png", "output": coco / "annotations.json"}, "is a file"),
    ):
        with pytest.raises(UsageError, match=words):
            convert(coco, **{"output": out, **options})
    with pytest.raises(UsageError, match="at once"):
        convert(coco / "annotations.json", to="coco", output=coco)
    with pytest.raises(UsageError, match="no file or folder"):
        convert(tmp_path / "none", to="coco", output=out)
    assert not out.exists()


def test_where_sizes_are_lacking_the_option_for_them_is_named(coco: Path, tmp_path: Path) -> None:
    convert(coco, to="yolo", output=tmp_path / "yolo")
    with pytest.raises(UsageError, match="--pictures"):
        convert(tmp_path / "yolo", to="coco", output=tmp_path / "out")


def test_a_damaged_file_leaves_nothing(coco: Path, tmp_path: Path) -> None:
    (coco / "annotations.json").write_text('{"images": [')
    with pytest.raises(ValueError, match=r"annotations\.json"):
        convert(coco, to="png", output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_help_names_the_formats(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "240")
    assert main(["convert", "--help"]) == DONE
    shown = capsys.readouterr().out
    assert "For example:" in shown
    for name in (*FORMATS, "masklets", "--to", "--from", "--pictures", "--output"):
        assert name in shown
    assert main(["convert", "x"]) == MISUSED
    assert "--to" in capsys.readouterr().err
