import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

import numpy as np
import pytest

from masklet.io.files import write_image
from masklet.io.formats.labelme import LabelmeWriter, read_labelme
from masklet.io.formats.picture import AnnotatedPicture


@pytest.fixture(scope="module")
def labelme() -> Iterator[ModuleType]:
    """LabelMe as it is, but for its window and for the models it runs, which reading files does without."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PyQt5", "onnxruntime", "imgviz", "imgviz.io", "loguru"):
            if name not in sys.modules:
                patch.setitem(sys.modules, name, MagicMock())
        yield pytest.importorskip("labelme", reason="labelme is not here: make test installs it")
    for name in [name for name in sys.modules if name.split(".")[0] == "labelme"]:
        del sys.modules[name]


@pytest.fixture
def written(tmp_path: Path, hard_picture: AnnotatedPicture) -> Path:
    """The file beside its picture."""
    with LabelmeWriter(tmp_path) as writer:
        writer.write(hard_picture)
    path = tmp_path / "kitchen" / "cups & 'pots'.json"
    write_image(tmp_path / hard_picture.name, np.zeros((*hard_picture.size, 3), np.uint8))
    return path


def change_shape(path: Path, **changed: object) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    value["shapes"][0].update(changed)
    path.write_text(json.dumps(value))


def test_there_and_back(written: Path, hard_picture: AnnotatedPicture):
    assert list(read_labelme(written.parents[1])) == [hard_picture]
    (alone,) = read_labelme(written)
    assert (alone.name, alone.objects) == ("cups & 'pots'.jpg", hard_picture.objects)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # LabelMe's own
def test_labelme_loads_the_same_masks(labelme: ModuleType, written: Path, hard_picture: AnnotatedPicture):
    loaded = labelme.LabelFile(str(written))  # it refuses a file of another size than its picture
    assert loaded.image_path == "cups & 'pots'.jpg"
    for shape, found in zip(loaded.shapes, hard_picture.objects, strict=True):
        assert (shape["label"], shape["group_id"], shape["shape_type"]) == (found.label, found.id, "mask")
        assert shape["other_data"] == ({} if found.score is None else {"score": found.score})
        shape["label"] = "object"
        classes, instances = labelme.utils.shapes_to_label(hard_picture.size, [shape], {"_background_": 0, "object": 1})
        np.testing.assert_array_equal(classes == 1, found.mask)
        np.testing.assert_array_equal(instances == 1, found.mask)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # LabelMe's own
def test_what_labelme_saves_is_read(labelme: ModuleType, written: Path, hard_picture: AnnotatedPicture):
    loaded = labelme.LabelFile(str(written))
    shapes = [
        {**{key: value for key, value in shape.items() if key != "other_data"}, **shape["other_data"]}
        | {"mask": labelme.utils.img_arr_to_b64(shape["mask"].astype(np.uint8))}
        for shape in loaded.shapes
    ]
    labelme.LabelFile().save(str(written), shapes, loaded.image_path, *hard_picture.size)
    (read,) = read_labelme(written)
    assert read.objects == hard_picture.objects


def test_frames_are_pictures(tmp_path: Path, video, frames: list[AnnotatedPicture]):
    with LabelmeWriter(tmp_path, video=video) as writer:
        for frame in frames:
            writer.write(frame)
    for read, frame in zip(read_labelme(tmp_path), frames, strict=True):
        assert (read.name, read.frame_index, read.objects) == (frame.name, frame.frame_index, frame.visible)


def test_polygons_and_other_shapes(tmp_path: Path):
    square = [[2, 1], [6, 1], [6, 5], [2, 5]]
    shapes = [
        {"label": "cup", "shape_type": "polygon", "points": square, "group_id": None},
        {"label": "pot", "shape_type": "polygon", "points": square, "group_id": 3},
        {"label": "cup", "shape_type": "point", "points": [[1, 1]]},
        {"label": "pot", "shape_type": "polygon", "points": [[7, 1], [9, 1], [9, 3]], "group_id": 3},
        {"label": "cup", "shape_type": "rectangle", "points": square[::2]},
    ]
    value = {"shapes": shapes, "imagePath": "..\\pictures\\a.jpg", "imageHeight": 8, "imageWidth": 10}
    (tmp_path / "a.json").write_text(json.dumps(value))
    (picture,) = read_labelme(tmp_path)
    assert (picture.name, picture.size) == ("a.jpg", (8, 10))
    cup, pot = picture.objects
    assert [(found.id, found.label, found.score) for found in (cup, pot)] == [(4, "cup", None), (3, "pot", None)]
    assert (cup.area, cup.box) == (16, (2, 1, 4, 4))
    assert pot.area > 16
    np.testing.assert_array_equal(pot.mask[:, :7], cup.mask[:, :7])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"mask": "iVBORw0KGgo="}, "shape 0 cannot be read: its mask is no PNG"),
        ({"mask": "not base64"}, "shape 0 cannot be read"),
        ({"points": [[0, 0], [3, 3]]}, r"shape 0 .*its points leave \(4, 4\)"),
        ({"points": [[70, 0], [110, 40]]}, "shape 0 .*its points leave"),
        ({"shape_type": "polygon"}, "shape 0 cannot be read: .*three corners"),
        ({"mask": ""}, "shape 0 cannot be read: its mask is no PNG"),
        ({"score": "high"}, "cannot be read"),
    ],
)
def test_damaged_shapes(written: Path, changed: dict, said: str):
    change_shape(written, **changed)
    with pytest.raises(ValueError, match=said) as raised:
        list(read_labelme(written))
    assert str(written) in str(raised.value)


def test_shapes_of_early_versions(written: Path):
    value = json.loads(written.read_text(encoding="utf-8"))
    value["shapes"] = [{"label": "cup\r", "points": [[1, 1], [5, 1], [5, 5], [1, 5]]}]
    written.write_text(json.dumps(value))
    (picture,) = read_labelme(written)
    assert [(found.label, found.area) for found in picture.objects] == [("cup", 16)]


def test_a_size_that_no_picture_has(written: Path):
    value = json.loads(written.read_text(encoding="utf-8"))
    written.write_text(json.dumps(value | {"imageHeight": 10**7, "imageWidth": 10**7}))
    with pytest.raises(ValueError, match="height and width are 10000000"):
        next(read_labelme(written))


def test_files_of_another_kind(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"\.json"):
        next(read_labelme(tmp_path))
    (tmp_path / "a.json").write_text('{"shapes": []}')
    with pytest.raises(ValueError, match=r"a\.json lacks imagePath"):
        next(read_labelme(tmp_path))
