import sys

import numpy as np
import pytest
import supervision as sv

from masklet.io.formats.detections import from_detections, to_detections
from masklet.io.formats.picture import AnnotatedPicture, ObjectMask
from masklet.ops.mask_record import MaskRecord
from masklet.ops.rle import encode_rle
from masklet.types import FrameMasks


def test_there_and_back(hard_picture: AnnotatedPicture):
    detections = to_detections(hard_picture)
    assert isinstance(detections, sv.Detections)
    assert detections.confidence is None  # one object has no score
    scored = AnnotatedPicture(
        name="a.jpg", height=60, width=80, objects=tuple(o for o in hard_picture.objects if o.score is not None)
    )
    assert from_detections(to_detections(scored), scored.size) == scored.objects
    assert from_detections(to_detections(scored.objects), scored.size) == scored.objects


def test_what_supervision_makes_of_them(hard_picture: AnnotatedPicture):
    detections = to_detections(hard_picture)
    areas = np.array([found.area for found in hard_picture.objects])
    np.testing.assert_array_equal(detections.area, areas)  # of the masks
    np.testing.assert_array_equal(detections.xyxy[0], [10, 5, 51, 46])
    assert detections.xyxy[2].tolist() == [79, 59, 80, 60]  # a pixel is 1 wide
    assert detections.data["class_name"].tolist() == [found.label for found in hard_picture.objects]
    assert detections.class_id is not None
    assert detections.class_id.tolist() == [2, 1, 0, 2, 3]
    large = detections[detections.area > 400]
    assert large.tracker_id is not None
    assert large.tracker_id.tolist() == [1, 7, 9]
    drawn = sv.MaskAnnotator(color=sv.Color.WHITE, opacity=1.0).annotate(
        np.zeros((60, 80, 3), np.uint8), detections[detections.tracker_id == 1]
    )
    np.testing.assert_array_equal(drawn.any(-1), hard_picture.objects[0].mask)


def test_records_of_a_mask_generator():
    mask = np.zeros((6, 8), bool)
    mask[1:3, 2:7] = True
    records = [
        MaskRecord(
            rle=encode_rle(mask),
            area=10,
            box=(2, 1, 5, 2),
            predicted_iou=0.875,
            stability_score=0.96,
            point=(3.0, 2.0),
            crop_box=(0, 0, 8, 6),
        )
    ]
    detections = to_detections(records)
    assert detections.tracker_id is None
    (found,) = from_detections(detections, (6, 8))
    assert found == ObjectMask.of_mask(mask, 1, score=0.875)


def test_a_frame_of_a_video():
    mask = np.zeros((6, 8), bool)
    mask[1:3, 2:7] = True
    frame = FrameMasks(
        frame_index=3,
        masks={0: mask, 5: ~mask, 6: np.zeros_like(mask)},
        scores={0: 0.5, 5: 0.75, 6: 0.25},
        object_scores={0: 1.0, 5: 1.0, 6: -1.0},
        visible={0: True, 5: True, 6: False},
        prompted=frozenset(),
    )
    detections = to_detections(frame)
    assert detections.tracker_id is not None
    assert detections.tracker_id.tolist() == [0, 5]  # what is not to be seen is left out
    assert detections.confidence is not None
    assert detections.confidence.tolist() == [0.5, 0.75]
    with pytest.raises(ValueError, match="from 1, not 0"):
        from_detections(detections, (6, 8))


@pytest.mark.parametrize("nothing", [(), AnnotatedPicture(name="a.jpg", height=6, width=8, objects=())])
def test_nothing_at_all(nothing):
    detections = to_detections(nothing)
    assert len(detections) == 0
    assert from_detections(detections, (6, 8)) == ()


def test_detections_of_other_tools():
    masks = np.zeros((2, 6, 8), bool)
    masks[0, :2], masks[1, 3:] = True, True
    boxes = np.array([[0, 0, 8, 2], [0, 3, 8, 6]], float)
    assert [found.label for found in from_detections(sv.Detections(xyxy=boxes, mask=masks), (6, 8))] == ["object"] * 2
    numbered = sv.Detections(xyxy=boxes, mask=masks, class_id=np.array([3, 0]))
    assert [(found.id, found.label) for found in from_detections(numbered, (6, 8))] == [(1, "class 3"), (2, "class 0")]


def test_what_is_refused():
    masks = np.ones((2, 6, 8), bool)
    boxes = np.array([[0, 0, 8, 6]] * 2, float)
    with pytest.raises(ValueError, match="boxes alone"):
        from_detections(sv.Detections(xyxy=boxes), (6, 8))
    with pytest.raises(ValueError, match=r"\(6, 8\), but the picture's are \(8, 6\)"):
        from_detections(sv.Detections(xyxy=boxes, mask=masks), (8, 6))
    with pytest.raises(ValueError, match="two objects with the id 4"):
        from_detections(sv.Detections(xyxy=boxes, mask=masks, tracker_id=np.array([4, 4])), (6, 8))


def test_without_supervision(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(ImportError, match=r"pip install 'masklet\[export\]'"):
        to_detections([])
