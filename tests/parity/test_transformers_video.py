"""transformers' video model and our predictor on the same weights and pixels: objects followed through a few frames.

Objects are prompted once, by points or a box, all on the first frame. Where more is said of them, transformers differs
from the original: new clicks do not refine the mask found so far, pointers of mask prompts are of another
mask, memories of all objects of a frame are binarised where one of them was prompted, holes are not filled.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from masklet.checkpoint.convert import convert
from masklet.compat.sam2 import SAM2VideoPredictor
from masklet.compat.sam2.video_frames import preprocess_frame
from masklet.io.images import read_image
from masklet.predictors.frame_features import FrameFeatures
from masklet.runtime.load import load_model

transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SIZE, NUM_FRAMES = 256, 6
TOLERANCE = 1e-3
"""Absolute plus relative."""

BOX_LABELS = [2, 3]

PROMPTS: dict[str, list[tuple[list[list[float]], list[int]]]] = {
    "click": [([[56.0, 166.0]], [1])],
    "clicks": [([[107.0, 72.0], [179.0, 205.0]], [1, 0])],
    "box": [([[141.0, 51.0], [205.0, 179.0]], BOX_LABELS)],
    "two objects": [([[56.0, 166.0]], [1]), ([[141.0, 51.0], [205.0, 179.0]], BOX_LABELS)],
}
"""Points and labels of each object on the first frame, in model pixels."""


@dataclass(frozen=True)
class Pair:
    """One set of weights, two models, and what they see of the frames."""

    ours: SAM2VideoPredictor
    theirs: Any
    pixels: Tensor


@pytest.fixture(scope="module", params=["sam2.1_hiera_tiny", pytest.param("sam2_hiera_tiny", marks=pytest.mark.slow)])
def pair(
    request: pytest.FixtureRequest,
    shared: Path,
    standin: Callable[..., Path],
    goldens: Callable[..., dict[str, np.ndarray]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Pair:
    # The shift with which objects are on some of these frames and not on others.
    shift = float(goldens(request.param, SIZE, kind="video")["object_score_shift"])
    path, folder = standin(request.param, 0, shift), tmp_path_factory.mktemp("video")
    model = load_model(path, device="cpu", image_size=SIZE)
    convert(path, folder, "hf-video", config=model.config)
    theirs = transformers.Sam2VideoModel.from_pretrained(folder).eval()
    (folder / "model.safetensors").unlink()
    pictures = sorted((shared / "parity" / "frames").glob("*.jpg"))[:NUM_FRAMES]
    pixels = torch.stack([preprocess_frame(read_image(picture), SIZE) for picture in pictures])
    ours = SAM2VideoPredictor(model, binarize_mask_from_pts_for_mem_enc=True).eval()
    return Pair(ours, theirs, pixels)


def follow_ours(pair: Pair, prompts: list[tuple[list[list[float]], list[int]]]) -> dict[int, tuple[Tensor, Tensor]]:
    """Frame -> low-res logits (O, 1, h, w) and object scores (O,)."""
    state = pair.ours.init_state(np.zeros((NUM_FRAMES, SIZE, SIZE, 3), np.uint8))
    state["cached_features"] = FrameFeatures(pair.ours.model, pair.pixels.__getitem__, 1)
    for number, (points, labels) in enumerate(prompts):
        pair.ours.add_new_points_or_box(state, 0, number, points=points, labels=labels)
    found = {}
    for frame, _, _ in pair.ours.propagate_in_video(state):
        results = [known.results[frame] for known in state["tracker"].objects.values()]
        scores = torch.tensor([result.object_score for result in results])
        found[frame] = torch.stack([result.logits.load() for result in results]), scores
    return found


def follow_theirs(pair: Pair, prompts: list[tuple[list[list[float]], list[int]]]) -> dict[int, tuple[Tensor, Tensor]]:
    session = transformers.Sam2VideoInferenceSession(
        video=pair.pixels, video_height=SIZE, video_width=SIZE, dtype=torch.float32
    )
    for number, (points, labels) in enumerate(prompts):
        inputs = {"point_coords": torch.tensor([[points]]), "point_labels": torch.tensor([[labels]], dtype=torch.int32)}
        session.add_point_inputs(session.obj_id_to_idx(number), 0, inputs)
    session.obj_with_new_inputs = list(range(len(prompts)))
    found = {}
    with torch.inference_mode():
        for output in pair.theirs.propagate_in_video_iterator(session, start_frame_idx=0):
            found[output.frame_idx] = output.pred_masks, output.object_score_logits
    return found


KINDS = ["two objects", *(pytest.param(kind, marks=pytest.mark.slow) for kind in PROMPTS if kind != "two objects")]


@pytest.mark.parametrize("kind", KINDS)
def test_objects_through_a_video(kind, pair):
    ours, theirs = follow_ours(pair, PROMPTS[kind]), follow_theirs(pair, PROMPTS[kind])
    assert list(ours) == list(theirs) == list(range(NUM_FRAMES))
    for frame, (logits, scores) in ours.items():
        torch.testing.assert_close(scores, theirs[frame][1].flatten(), atol=TOLERANCE, rtol=TOLERANCE)
        torch.testing.assert_close(logits, theirs[frame][0].view_as(logits), atol=TOLERANCE, rtol=TOLERANCE)
    assert any((logits > 0).any() for logits, _ in ours.values()), "nothing is compared if no object is there"
