import pickle

import pytest
import torch

from masklet.compat.transformers import outputs
from masklet.compat.transformers.outputs import Sam2ImageSegmentationOutput, Sam2VideoSegmentationOutput

THEIRS = {
    "Sam2ImageSegmentationOutput": "sam2.modeling_sam2",
    "Sam2VisionEncoderOutput": "sam2.modeling_sam2",
    "Sam2HieraDetModelOutput": "sam2.modeling_sam2",
    "Sam2VideoSegmentationOutput": "sam2_video.modeling_sam2_video",
}


def output() -> Sam2ImageSegmentationOutput:
    return Sam2ImageSegmentationOutput(iou_scores=torch.ones(1, 2, 3), object_score_logits=torch.zeros(1, 2, 1))


def test_values_are_had_by_attribute_name_and_position():
    found = output()
    assert found.iou_scores is found["iou_scores"] is found[0]
    assert found[1] is found["object_score_logits"] is found[-1]
    assert found[:2] == found.to_tuple() == tuple(found.values())
    assert found.pred_masks is None


def test_none_is_left_out():
    found = output()
    assert list(found) == list(found.keys()) == ["iou_scores", "object_score_logits"]
    assert len(found) == 2
    assert "pred_masks" not in found
    assert found.get("pred_masks", 7) == 7
    assert dict(**found).keys() == found.keys()
    with pytest.raises(KeyError, match="pred_masks"):
        found["pred_masks"]
    with pytest.raises(IndexError):
        found[2]


def test_setting_by_either_way_is_the_same():
    found = output()
    found["pred_masks"] = masks = torch.ones(1)
    assert found.pred_masks is masks
    found.iou_scores = None
    assert list(found) == ["pred_masks", "object_score_logits"]
    with pytest.raises(TypeError, match="None"):
        del found["pred_masks"]


def test_zero_and_empty_are_values():
    found = Sam2VideoSegmentationOutput(object_ids=[], frame_idx=0)
    assert found.to_tuple() == ([], 0)


def test_outputs_can_be_pickled():
    again = pickle.loads(pickle.dumps(output()))
    assert isinstance(again, Sam2ImageSegmentationOutput)
    torch.testing.assert_close(again.iou_scores, torch.ones(1, 2, 3))


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_fields_are_those_of_transformers_in_their_order(name: str):
    pytest.importorskip("transformers")
    module = pytest.importorskip(f"transformers.models.{THEIRS[name]}")
    ours, theirs = getattr(outputs, name), getattr(module, name)
    assert list(ours.__dataclass_fields__) == list(theirs.__dataclass_fields__)
    assert ours().to_tuple() == theirs().to_tuple()


def test_outputs_can_be_made_of_a_mapping():
    found = output()
    again = type(found)({name: value + 1 for name, value in found.items()})  # as accelerate casts them
    assert list(again) == list(found)
    assert torch.equal(again.iou_scores, found.iou_scores + 1)
    assert isinstance(Sam2ImageSegmentationOutput({}).iou_scores, type(None))
