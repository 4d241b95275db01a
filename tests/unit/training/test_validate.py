"""What is measured on held-out clips: nothing random, each clip once, by however many processes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from masklet.model import Sam2
from masklet.ops.masks import mask_iou
from masklet.training.assemble import prepare_run
from masklet.training.data.collate import collate
from masklet.training.data.loader import Destination, LoaderConfig, TrainingSource
from masklet.training.samples import Clip
from masklet.training.validate import FixedClips, Validator, _InOrder, measure_batch, score

SIDE = 64


class Squares:
    """Clips of two squares that move, some of them out of the picture; item by item they differ."""

    def __init__(self, num_frames: int, num_clips: int = 5) -> None:
        self.num_frames = num_frames
        self.num_clips = num_clips

    def __len__(self) -> int:
        return self.num_clips

    def draw(self, index: int, rng: np.random.Generator) -> Clip:
        masks = np.zeros((self.num_frames, 2, SIDE, SIDE), bool)
        for frame in range(self.num_frames):
            masks[frame, 0, 8:24, 8 + index : 24 + index] = True
            masks[frame, 1, 36:60, 8 + 30 * frame : 28 + 30 * frame] = True
        frames = rng.integers(0, 90, (self.num_frames, SIDE, SIDE, 3)).astype(np.uint8)
        frames[masks.any(1)] = 200
        return Clip(frames=frames, masks=masks)


@pytest.fixture(scope="module")
def model(model_config) -> Sam2:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Sam2(model_config)


def make_validator(num_frames: int, batch_size: int = 2) -> Validator:
    source = TrainingSource(
        clips=FixedClips(Squares(num_frames), 100, None), name="squares", batch_size=batch_size, with_centres=True
    )
    return Validator(sources=(source,), precision="float32", loader=LoaderConfig(num_workers=0))


def test_the_same_whatever_is_random_and_however_clips_are_put_together(model):
    found = make_validator(3).measure(lambda work: work(model), Destination())
    torch.manual_seed(5)
    assert make_validator(3).measure(lambda work: work(model), Destination()) == found
    assert make_validator(3, 5).measure(lambda work: work(model), Destination()) == pytest.approx(found, abs=1e-5)
    assert found.keys() == {"best_iou", "chosen_iou", "tracked_iou"}
    assert all(0 <= value <= 1 for value in found.values())
    assert found["chosen_iou"] <= found["best_iou"] + 1e-6


def test_pictures_are_not_tracked(model):
    assert make_validator(1).measure(lambda work: work(model), Destination()).keys() == {"best_iou", "chosen_iou"}


def test_no_gradients_are_kept(model):
    def work(asked):
        found = asked(model)
        assert not found.requires_grad
        return found

    make_validator(2).measure(work, Destination())


def test_counts_objects_that_are_there_of_clips_that_count(model):
    rng = np.random.default_rng(0)
    batch = collate([Squares(3).draw(index, rng) for index in range(3)], with_centres=True).to_batch()
    with torch.no_grad():
        first, chosen, tracked = measure_batch(model, batch, 2)[:, 1].tolist()
    # On the third of its frames the second square has left the picture.
    assert (first, chosen, tracked) == (4, 4, 2 * (2 + 1))


def test_iou_is_that_of_the_masks(model, monkeypatch):
    """A model that answers with the true masks is perfect, and one that answers with half of each is not."""
    batch = collate([Squares(1).draw(0, np.random.default_rng(0))], with_centres=True).to_batch()
    truth = batch.masks[0].float()

    def answer_with(masks):
        def decode(embedding, features, prompts):
            decoded = original(embedding, features, prompts)
            small = torch.nn.functional.avg_pool2d(masks[:, None], 4) * 20 - 10
            return replace(decoded, logits=small.expand(-1, 4, -1, -1), object_score=decoded.object_score * 0 + 1)

        original = model.decode_masks
        monkeypatch.setattr(model, "decode_masks", decode)
        with torch.no_grad():
            sums = measure_batch(model, batch, 1)
        monkeypatch.undo()
        return (sums[1, 0] / sums[1, 1]).item()

    half = truth.clone()
    half[:, :, 16:] *= truth[:, :, 16:] * 0
    expected = np.mean([mask_iou(h > 0, t > 0) for h, t in zip(half.numpy(), truth.numpy(), strict=True)])
    assert answer_with(truth) > 0.97
    assert answer_with(half) == pytest.approx(expected, abs=0.05)


def test_fixed_clips_are_spread_and_stay_the_same():
    fixed = FixedClips(Squares(1, 100), 5, 1)
    assert fixed.items == [0, 25, 50, 74, 99]
    one, other = (fixed.draw(2, np.random.default_rng(seed)) for seed in (0, 1))
    assert np.array_equal(one.frames, other.frames)
    assert one.masks.shape[1] == 1
    assert len(FixedClips(Squares(1, 3), 5, None)) == 3


@pytest.mark.parametrize(("num_items", "batch_size", "world_size"), [(7, 2, 1), (7, 2, 2), (1, 3, 4), (8, 2, 2)])
def test_each_item_counts_once_and_processes_have_as_many_batches(num_items, batch_size, world_size):
    plan = _InOrder(num_items, batch_size)
    counted = []
    for step in range(plan.num_steps(world_size)):
        for rank in range(world_size):
            items = plan.batch(step, rank, world_size).items
            assert len(items) == batch_size
            counted += items[: plan.num_real(step, Destination(rank=rank, world_size=world_size))]
    assert sorted(counted) == list(range(num_items))


def test_better_is_by_what_users_get():
    assert score({"best_iou": 0.9, "chosen_iou": 0.5}) == 0.5
    assert score({"best_iou": 0.9, "chosen_iou": 0.5, "tracked_iou": 0.7}) == pytest.approx(0.6)


def test_runs_over_what_a_run_holds_out(make_run):
    run = prepare_run(make_run())
    assert run.validator is not None
    found = run.validator.measure(lambda work: work(run.model), Destination())
    assert found.keys() == {"best_iou", "chosen_iou"}
