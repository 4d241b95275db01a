import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from masklet.datasets import DATASETS, open_dataset

Make = Callable[..., None]


def make_davis(root: Path, make_dataset: Make, year: str = "2017") -> None:
    make_dataset(root / "JPEGImages" / "480p", root / "Annotations" / "480p", ["blackswan", "dog", "dogs-jump"])
    folder = root / "ImageSets" / year
    folder.mkdir(parents=True)
    (folder / "val.txt").write_text("blackswan\ndog\ndogs-jump\n")


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        (["ImageSets/2017/val.txt", "ImageSets/2016/val.txt", "JPEGImages/480p/a"], "davis2017"),
        (["ImageSets/2016/val.txt", "JPEGImages/480p/a"], "davis2016"),
        (["ImageSets/480p/val.txt"], "davis2016"),
        (["sav_val.txt"], "sav"),
        (["sav_test/sav_test.txt"], "sav"),
        (["sav_000001.mp4", "sav_000001_manual.json"], "sav-train"),
        (["sav_000/sav_000001_auto.json"], "sav-train"),
        (["valid/meta.json", "valid/JPEGImages/0032/00000.jpg"], "youtube-vos"),
        (["valid/valid_meta.json", "valid/JPEGImages/0t/00000001.jpg"], "lvos"),
        (["val/JPEGImages/0t/00000001.jpg"], "lvos"),
        (["valid/JPEGImages/0c/00000.jpg"], "mose"),
        (["JPEGImages/a/00000.jpg", "Annotations/a/00000.png"], "folder"),
    ],
)
def test_data_sets_are_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str], kind: str):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    opened = []
    for name, known in list(DATASETS.items()):
        fake = replace(known, read=lambda root, split, only, name=name: opened.append(name))
        monkeypatch.setitem(DATASETS, name, fake)  # type: ignore[arg-type]
    open_dataset(tmp_path)
    assert opened == [kind]


def test_each_kind_is_read(tmp_path: Path, make_dataset: Make, make_video: Callable, make_masklets: Callable[..., Any]):
    make_davis(tmp_path / "davis2017", make_dataset)
    make_davis(tmp_path / "davis2016", make_dataset, "2016")
    frames = ["00000001", "00000002"]
    for kind in ("youtube-vos", "lvos", "mose", "mosev2"):
        folder = tmp_path / kind / "valid"
        names = frames if kind == "lvos" else ["00000", "00005"]
        make_dataset(folder / "JPEGImages", folder / "Annotations", ["0c"], frames=names)
    meta = json.dumps({"videos": {"0c": {"objects": {}}}})
    (tmp_path / "youtube-vos" / "valid" / "meta.json").write_text(meta)
    sav = tmp_path / "sav"
    make_dataset(sav / "JPEGImages_24fps", sav / "Annotations_6fps", ["sav_1"], ids=(0,), per_object=True)
    (sav / "sav_val.txt").write_text("sav_1")
    make_video(tmp_path / "sav-train" / "sav_1.mp4")
    make_masklets(tmp_path / "sav-train" / "sav_1_manual.json")
    make_dataset(tmp_path / "folder" / "JPEGImages", tmp_path / "folder" / "Annotations", ["a"])
    for kind in DATASETS:
        dataset = open_dataset(tmp_path / kind, kind)
        assert dataset.sequences[0].annotated, kind
        if kind != "mosev2":
            assert open_dataset(str(tmp_path / kind)).name == dataset.name


def test_what_is_not_recognised(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        open_dataset(tmp_path / "nowhere")
    (tmp_path / "photos").mkdir()
    with pytest.raises(ValueError, match=r"not recognised as a data set") as error:
        open_dataset(tmp_path)
    assert "davis2017: ImageSets/2017/*.txt" in str(error.value)
    assert all(kind in str(error.value) for kind in DATASETS)
    with pytest.raises(ValueError, match="'davis' is no kind of data set that can be read: name one of davis2017, "):
        open_dataset(tmp_path, "davis")


def test_one_split_of_a_data_set_is_not_taken_for_a_plain_folder(tmp_path: Path, make_dataset: Make):
    valid = tmp_path / "valid"
    make_dataset(valid / "JPEGImages", valid / "Annotations", ["0c"])
    (valid / "meta.json").write_text('{"videos": {"0c": {"objects": {}}}}')
    with pytest.raises(ValueError, match="looks like one split of YouTube-VOS or LVOS"):
        open_dataset(valid)
    assert open_dataset(valid, "folder").name == "valid"
    assert open_dataset(tmp_path).name == "YouTube-VOS valid"


def test_some_sequences(tmp_path: Path, make_dataset: Make):
    make_davis(tmp_path, make_dataset)

    def names(sequences: list[str] | str | Path) -> list[str]:
        return [sequence.name for sequence in open_dataset(tmp_path, sequences=sequences).sequences]

    assert names(["dogs-jump", "blackswan"]) == ["blackswan", "dogs-jump"]
    assert names("dog") == ["dog"]
    (tmp_path / "some.txt").write_text("dog\nblackswan\n")
    assert names(tmp_path / "some.txt") == ["blackswan", "dog"]
    shutil.rmtree(tmp_path / "Annotations" / "480p" / "dogs-jump")
    assert names(["dog", "blackswan"]) == ["blackswan", "dog"]


def test_unknown_sequences(tmp_path: Path, make_dataset: Make):
    make_davis(tmp_path, make_dataset)
    with pytest.raises(ValueError, match=r"no sequence blackswn \(did you mean blackswan\?\), zebra: the 3"):
        open_dataset(tmp_path, sequences=["blackswn", "dog", "zebra"])
    with pytest.raises(ValueError, match="no sequence was named"):
        open_dataset(tmp_path, sequences=[])
    with pytest.raises(FileNotFoundError, match=r"no list of sequences .*some\.txt"):
        open_dataset(tmp_path, sequences=tmp_path / "some.txt")


def test_names_of_folders_are_for_plain_folders(tmp_path: Path, make_dataset: Make):
    make_dataset(tmp_path / "frames", tmp_path / "masks", ["a"])
    dataset = open_dataset(tmp_path, videos="frames", masks="masks")
    assert [sequence.name for sequence in dataset.sequences] == ["a"]
    with pytest.raises(FileNotFoundError, match=r"Annotations with masks: .* has frames, masks"):
        open_dataset(tmp_path, videos="frames")
    with pytest.raises(ValueError, match="not of kind 'mose'"):
        open_dataset(tmp_path, "mose", videos="frames")
    with pytest.raises(ValueError, match="has no split 'val'"):
        open_dataset(tmp_path, "folder", split="val")
