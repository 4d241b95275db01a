"""`transformers`' video sessions and ours on the same random weights and frames: prompts of every kind, several
objects, refinement, both directions, streams.

Here are calls that `transformers` gets right. Where it goes wrong, `tests/unit/compat/transformers/test_video_model.py`
shows what ours does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from masklet.checkpoint.convert import convert
from masklet.checkpoint.save import save_model
from masklet.compat import transformers as ours
from masklet.compat.transformers.session import OUTPUT_KEYS
from masklet.config import DecoderConfig, MemoryConfig, ModelConfig, TrunkConfig
from masklet.model import Sam2

theirs = pytest.importorskip("transformers")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

TOLERANCE = 5e-4
NUM_FRAMES, HEIGHT, WIDTH, SIDE = 9, 60, 100, 128
LARGER = {"hypernetworks": 3, "decoder.transformer": 1.5, "cross_attention.v": 2, "cross_attention.out": 2}
LARGER |= {"memory_time": 5, "pointer": 3}
"""Parts of the model whose random weights are made so much larger, so that masks are not alike and memory counts."""

Found = dict[int, Any]
"""Frame -> output."""


@dataclass(frozen=True)
class Library:
    """One of the two: its model, its processor, and itself; and what models see of the frames."""

    module: ModuleType
    model: Any
    processor: Any
    pixels: Tensor

    def session(self, stream: bool = False) -> Any:
        size = {} if stream else {"video": self.pixels, "video_height": HEIGHT, "video_width": WIDTH}
        return self.module.Sam2VideoInferenceSession(**size, dtype=torch.float32)

    def add(self, session: Any, frame: int, ids: Any, **inputs: Any) -> None:
        # transformers takes ids out of the list that it is given.
        ids = list(ids) if isinstance(ids, list) else ids
        self.processor.add_inputs_to_inference_session(session, frame, ids, **inputs)

    def follow(self, session: Any, **options: Any) -> Found:
        outputs = list(self.model.propagate_in_video_iterator(session, **options))
        return {output.frame_idx: output for output in outputs}


@pytest.fixture(scope="module")
def frames() -> list[Image.Image]:
    """Blobs that wander over a textured ground."""
    random = np.random.default_rng(0)
    ground = random.integers(0, 120, (HEIGHT // 5, WIDTH // 5, 3), dtype=np.uint8).repeat(5, 0).repeat(5, 1)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    pictures = []
    for t in range(NUM_FRAMES):
        picture = ground.copy()
        picture[(rows - 20 - t) ** 2 + (columns - 30 - 4 * t) ** 2 < 150] = (250, 60, 40)
        picture[abs(rows - 40) + abs(columns - 80 + 3 * t) < 14] = (30, 220, 250)
        pictures.append(Image.fromarray(picture))
    return pictures


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model as `transformers` has it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Sam2(
            ModelConfig(
                image_size=SIDE,
                dim=128,  # more than a memory has, or transformers fails
                trunk=TrunkConfig(
                    embed_dim=16,
                    stage_depths=(1, 1, 2, 1),
                    window_sizes=(8, 4, 4, 2),
                    global_blocks=(3,),
                    position_grid=(4, 4),
                ),
                decoder=DecoderConfig(depth=2, num_heads=4, mlp_dim=64),
                memory=MemoryConfig(dim=64, attention_layers=2, attention_mlp_dim=64, fuser_layers=1),
            )
        ).eval()
    with torch.no_grad():
        for name, weights in model.named_parameters():
            for part, factor in LARGER.items():
                weights.mul_(factor if part in name else 1)
        model.get_parameter("mask_decoder.object_head.layers.2.bias").fill_(4.0)
    folder = tmp_path_factory.mktemp("tiny")
    path = save_model(model, folder / "tiny.pt")
    convert(path, folder / "hf", "hf-video", config=model.config)
    return folder / "hf"


@pytest.fixture(scope="module")
def both(folder: Path, frames: list[Image.Image]) -> tuple[Library, Library]:
    """Theirs is given our pixels, because their image processors need torchvision."""
    size = {"height": SIDE, "width": SIDE}
    processor = ours.Sam2VideoProcessor(ours.Sam2ImageProcessor(size=size), ours.Sam2VideoVideoProcessor(size=size))
    pixels = processor.video_processor(frames, return_tensors="pt").pixel_values_videos[0]
    their_processor = theirs.Sam2VideoProcessor.__new__(theirs.Sam2VideoProcessor)
    their_processor.target_size, their_processor.point_pad_value = SIDE, -10
    models = [module.Sam2VideoModel.from_pretrained(folder).eval() for module in (ours, theirs)]
    return Library(ours, models[0], processor, pixels), Library(theirs, models[1], their_processor, pixels)


def same(both: tuple[Library, Library], calls: Callable[[Library], Found]) -> float:
    """Make the same calls of both, and compare all that they give. The largest difference of a logit."""
    found, expected = (calls(library) for library in both)
    assert list(found) == list(expected)
    worst = 0.0
    for key, mine in found.items():
        other = expected[key]
        assert (mine.frame_idx, mine.object_ids) == (other.frame_idx, other.object_ids)
        for name in ("pred_masks", "object_score_logits"):
            assert mine[name].dtype == other[name].dtype
            torch.testing.assert_close(mine[name], other[name], atol=TOLERANCE, rtol=0)
            worst = max(worst, (mine[name] - other[name]).abs().max().item())
    masks = torch.cat([output.pred_masks.flatten() for output in found.values()])
    assert masks.std() > 1e-2, "nothing is compared if all masks are alike"
    return worst


ONE, TWO = [[[[30, 20]]]], [[[[30, 20]], [[80, 40]]]]
BLOB = np.zeros((HEIGHT, WIDTH), bool)
BLOB[12:30, 20:44] = True

PROMPTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "click": (1, {"input_points": ONE, "input_labels": [[[1]]]}),
    "clicks": (1, {"input_points": [[[[30, 20], [60, 50], [31, 24]]]], "input_labels": [[[1, 0, 1]]]}),
    "box": (1, {"input_boxes": [[[18, 8, 43, 34]]]}),
    "box and click": (1, {"input_boxes": [[[18, 8, 43, 34]]], "input_points": ONE, "input_labels": [[[1]]]}),
    "mask": (1, {"input_masks": BLOB}),
    "mask of the model's size": (1, {"input_masks": torch.ones(1, 1, SIDE, SIDE).tril()}),
    "empty mask": (1, {"input_masks": np.zeros((HEIGHT, WIDTH), bool)}),
    "two clicks": ([7, 3], {"input_points": TWO, "input_labels": [[[1], [1]]]}),
    "ragged clicks": (
        [7, 3],
        {"input_points": [[[[30, 20], [34, 24], [60, 50]], [[80, 40]]]], "input_labels": [[[1, 1, 0], [1]]]},
    ),
    "two boxes": ([7, 3], {"input_boxes": [[[18, 8, 43, 34], [66, 26, 94, 54]]]}),
    "two masks": ([7, 3], {"input_masks": [BLOB, ~BLOB]}),
}


@pytest.mark.parametrize("kind", PROMPTS)
def test_a_prompt_on_the_first_frame_is_followed(kind, both):
    ids, inputs = PROMPTS[kind]

    def calls(library: Library) -> Found:
        session = library.session()
        library.add(session, 0, ids, **inputs)
        first = library.model(inference_session=session, frame_idx=0)
        return {-1: first} | library.follow(session)

    same(both, calls)


@pytest.mark.parametrize("span", [{}, {"max_frame_num_to_track": 3}, {"start_frame_idx": 2}])
@pytest.mark.parametrize("reverse", [False, True])
def test_from_the_middle_in_either_direction(span, reverse, both):
    def calls(library: Library) -> Found:
        session = library.session()
        library.add(session, 4, 1, input_points=ONE, input_labels=[[[1]]])
        library.model(session, 4)
        return library.follow(session, reverse=reverse, **span)

    same(both, calls)


def test_both_directions_after_each_other(both):
    def calls(library: Library) -> Found:
        session = library.session()
        library.add(session, 4, [5, 6], input_points=TWO, input_labels=[[[1], [1]]])
        library.model(session, 4)
        forward = library.follow(session)
        backward = library.follow(session, reverse=True)
        return forward | {100 + frame: output for frame, output in backward.items()}

    same(both, calls)


def test_a_conditioning_frame_prompted_again(both):
    """More clicks are joined to the first, or take their place, without the mask found so far."""

    def calls(library: Library) -> Found:
        session = library.session()
        found = {}
        for number, clear in enumerate((True, False, True)):
            library.add(
                session, 2, 1, input_points=[[[[30 + 9 * number, 20]]]], input_labels=[[[1]]], clear_old_inputs=clear
            )
            found[100 + number] = library.model(session, 2)
        return found | library.follow(session)

    same(both, calls)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_correction_where_propagation_begins(reverse, both):
    """On a frame that was tracked: it looks at memory, and those after it in this direction at it."""

    def calls(library: Library) -> Found:
        session = library.session()
        library.add(session, 4, 1, input_points=ONE, input_labels=[[[1]]])
        library.model(session, 4)
        start = 2 if reverse else 6
        found = library.follow(session, reverse=reverse)
        library.add(session, start, 1, input_points=[[[[50, 30], [70, 30]]]], input_labels=[[[1, 0]]])
        refined = library.follow(session, start_frame_idx=start, reverse=reverse)
        assert (refined[start].pred_masks - found[start].pred_masks).abs().max() > 0.1
        return refined

    same(both, calls)


def test_a_correction_at_once_and_the_frames_after_it(both):
    def calls(library: Library) -> Found:
        session = library.session()
        library.add(session, 0, 1, input_points=ONE, input_labels=[[[1]]])
        library.model(session, 0)
        library.follow(session)
        library.add(session, 5, 1, input_masks=BLOB)
        found = {100: library.model(session, 5)}
        return found | library.follow(session, start_frame_idx=6)

    same(both, calls)


def test_objects_prompted_on_frames_of_their_own(both):
    """Each prompt answered at once, so that `transformers` does not lose it.

    Only with one object on a frame: it makes binary memories of the others, too.
    """

    def calls(library: Library) -> Found:
        session = library.session()
        library.add(session, 6, 1, input_points=ONE, input_labels=[[[1]]])
        found = {100: library.model(session, 6)}
        library.add(session, 2, 1, input_boxes=[[[18, 8, 43, 34]]])
        found[101] = library.model(session, 2)
        return found | library.follow(session, start_frame_idx=0)

    same(both, calls)


def test_a_stream(both):
    """Objects come in when they are prompted; the window of pointers is that of a long video."""

    def calls(library: Library) -> Found:
        session, found = library.session(stream=True), {}
        for t, frame in enumerate([*library.pixels, *library.pixels]):
            if t == 0:
                size = (HEIGHT, WIDTH)
                library.add(session, 0, [1, 2], input_points=TWO, input_labels=[[[1], [1]]], original_size=size)
            found[t] = library.model(inference_session=session, frame=frame)
        return found

    same(both, calls)


def test_a_stream_with_a_later_prompt(both):
    def calls(library: Library) -> Found:
        session, found = library.session(stream=True), {}
        for t, frame in enumerate(library.pixels):
            if t in (0, 4):
                library.add(session, t, 1, input_boxes=[[[18, 8, 43, 34]]], original_size=(HEIGHT, WIDTH))
            found[t] = library.model(inference_session=session, frame=frame[None])
        return found

    same(both, calls)


@pytest.mark.parametrize("limit", [2, 3])
def test_few_conditioning_frames_are_looked_at(limit, both, monkeypatch):
    for library in both:
        monkeypatch.setattr(library.model.config, "max_cond_frame_num", limit)

    def calls(library: Library) -> Found:
        session = library.session()
        for t in (0, 2, 3, 7):
            library.add(session, t, 1, input_points=[[[[30 + 4 * t, 20]]]], input_labels=[[[1]]])
            library.model(session, t)
        return library.follow(session)

    same(both, calls)


@pytest.mark.parametrize(("kind", "index"), [("click", 0), ("two clicks", 1)])
def test_stored_outputs(kind, index, both):
    ids, inputs = PROMPTS[kind]
    sessions = []
    for library in both:
        sessions.append(session := library.session())
        library.add(session, 0, ids, **inputs)
        library.follow(session, start_frame_idx=0, max_frame_num_to_track=3)
    for frame, conditioning in ((0, True), (2, False)):
        for key in OUTPUT_KEYS:
            mine, other = (session.get_output(index, frame, key, conditioning) for session in sessions)
            assert (mine.shape, mine.dtype) == (other.shape, other.dtype), key
            torch.testing.assert_close(mine, other, atol=0.05 if key == "maskmem_features" else TOLERANCE, rtol=0.02)
        assert [s.get_output(index, frame, "pred_masks", not conditioning) for s in sessions] == [None, None]
