import numpy as np
import pytest

from masklet.io.formats.picture import AnnotatedPicture, ObjectMask
from masklet.ops.mask_record import MaskRecord
from masklet.ops.rle import encode_rle


@pytest.fixture
def mask() -> np.ndarray:
    mask = np.zeros((20, 30), bool)
    mask[3:8, 10:14] = True
    mask[5, 11] = False
    return mask


def test_what_an_object_knows(mask: np.ndarray):
    found = ObjectMask.of_mask(mask, 3, label="cup", score=0.75)
    assert (found.id, found.label, found.score) == (3, "cup", 0.75)
    assert (found.area, found.box) == (19, (10, 3, 4, 5))
    np.testing.assert_array_equal(found.mask, mask)
    assert ObjectMask.of_mask(mask, 1).label == "object"
    nothing = ObjectMask.of_mask(np.zeros_like(mask), 1)
    assert (nothing.area, nothing.box) == (0, (0, 0, 0, 0))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"id": 0}, "from 1, not 0"),
        ({"label": " "}, "one line"),
        ({"label": "a\nb"}, "one line"),
        ({"label": "a\rb"}, "one line"),
        ({"label": "a\u2028b"}, "one line"),
        ({"label": "\ud800"}, "one line"),
        ({"label": "a\0"}, "one line"),
        ({"score": float("nan")}, "nan"),
    ],
)
def test_objects_refused(mask: np.ndarray, wrong: dict, said: str):
    with pytest.raises(ValueError, match=said):
        ObjectMask(**{"rle": encode_rle(mask), "id": 1} | wrong)


def test_which_objects_are_to_be_seen(mask: np.ndarray):
    objects = (ObjectMask.of_mask(mask, 2), ObjectMask.of_mask(np.zeros_like(mask), 1))
    picture = AnnotatedPicture(name="a/cup.jpg", height=20, width=30, objects=objects)
    assert picture.size == (20, 30)
    assert picture.visible == objects[:1]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "../cup.jpg"}, "cup.jpg"),
        ({"name": "/cup.jpg"}, "within a folder"),
        ({"name": ""}, "within a folder"),
        ({"name": "\udcff.jpg"}, "control characters"),
        ({"width": 0}, "0 x 20"),
        ({"frame_index": -1}, "from 0"),
        ({"height": 21}, r"object 1 of cup\.jpg .*\(20, 30\), but the picture's are \(21, 30\)"),
    ],
)
def test_pictures_refused(mask: np.ndarray, wrong: dict, said: str):
    right = {"name": "cup.jpg", "height": 20, "width": 30, "objects": (ObjectMask.of_mask(mask, 1),)}
    with pytest.raises(ValueError, match=said):
        AnnotatedPicture(**right | wrong)


def test_an_id_is_of_one_object(mask: np.ndarray):
    with pytest.raises(ValueError, match=r"cup\.jpg has two objects with the id 4"):
        AnnotatedPicture(name="cup.jpg", height=20, width=30, objects=(ObjectMask.of_mask(mask, 4),) * 2)


def test_what_was_found_in_a_picture(mask: np.ndarray):
    record = MaskRecord(
        rle=encode_rle(mask),
        area=19,
        box=(10, 3, 4, 5),
        predicted_iou=0.9,
        stability_score=0.97,
        point=(12.5, 4.5),
        crop_box=(0, 0, 30, 20),
    )
    picture = AnnotatedPicture.of_records("cup.jpg", (20, 30), [record, record])
    assert picture.objects == tuple(ObjectMask.of_mask(mask, id_, score=0.9) for id_ in (1, 2))
    assert (picture.name, picture.size, picture.frame_index) == ("cup.jpg", (20, 30), None)


def test_numbers_of_numpy_become_plain(mask: np.ndarray):
    found = ObjectMask.of_mask(mask, np.int64(3), score=np.float32(0.5))  # pyright: ignore[reportArgumentType]
    assert (type(found.id), type(found.score)) == (int, float)
