"""The loop: its schedule, going on where it stopped, what it writes, and when it gives up."""

import copy
import itertools
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from masklet.config import ModelConfig
from masklet.model import Sam2
from masklet.training.fit import Fit, FitConfig
from masklet.training.losses import LossWeights
from masklet.training.step import PromptConfig, PromptedBatch, image_step

SIDE = 64
OFTEN = partial(
    image_step,
    prompts=PromptConfig(box_probability=0.5, correction_probability=0.5, mask_probability=0.5),
    weights=LossWeights(),
)
NEVER = partial(image_step, prompts=PromptConfig(correction_probability=0.0), weights=LossWeights())


@pytest.fixture
def make_model(model_config: ModelConfig) -> Callable[..., Sam2]:
    """`make_model(seed=0)`: a model with random weights."""

    def make(seed: int = 0) -> Sam2:
        torch.manual_seed(seed)
        return Sam2(model_config)

    return make


def batch_number(number: int) -> PromptedBatch:
    """Two images with two squares each, a click in every square."""
    generator = torch.Generator().manual_seed(100 + number)
    corners = torch.randint(0, SIDE - 20, (4, 2), generator=generator)
    masks = torch.zeros(4, SIDE, SIDE, dtype=torch.bool)
    for mask, (x, y) in zip(masks, corners.tolist(), strict=True):
        mask[y : y + 20, x : x + 20] = True
    return PromptedBatch(torch.randn(2, 3, SIDE, SIDE, generator=generator), masks, corners + 10.0)


def batches(start: int = 0) -> Iterator[PromptedBatch]:
    return map(batch_number, itertools.count(start))


def config(**changes: object) -> FitConfig:
    values: dict[str, object] = {"steps": 6, "warmup_steps": 2, "log_every": 2, "save_every": 100}
    return FitConfig(**(values | changes))  # type: ignore[arg-type]


def log_of(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


RATES = [
    (0, 0.1),  # the warm-up's first step has a rate already
    (1, 0.2),
    (8, 0.9),
    (9, 1.0),
    (10, 1.0),
    (59, 1.0),
    (60, 1.0),  # the descent starts from the full rate
    (61, 39 / 40),
    (80, 0.5),
    (99, 1 / 40),  # and would be at zero after the last step
]


@pytest.mark.parametrize(("step", "share"), RATES)
def test_the_rate_warms_up_stays_and_descends(step, share):
    schedule = FitConfig(steps=100, learning_rate=3e-4, warmup_steps=10, decay_steps=40)
    assert schedule.rate(step) == pytest.approx(3e-4 * share, rel=1e-9)


def test_without_a_descent_the_rate_stays():
    schedule = FitConfig(steps=100, learning_rate=1e-3, warmup_steps=10)
    assert [schedule.rate(step) for step in (10, 50, 99)] == [1e-3] * 3


def test_without_a_warm_up_the_rate_is_full_at_once():
    assert FitConfig(steps=10, learning_rate=1e-3, warmup_steps=0).rate(0) == 1e-3


def test_a_run_learns(make_model, tmp_path):
    model = make_model()
    before = copy.deepcopy(model.state_dict())
    quick = config(steps=40, log_every=10, warmup_steps=1, learning_rate=3e-3)
    Fit(model, quick, tmp_path, NEVER).run(itertools.repeat(batch_number(0)))
    log = log_of(tmp_path)
    assert log[-1]["total"] < 0.8 * log[0]["total"]
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {name.split(".")[0] for name in changed} >= {"trunk", "neck", "prompt_encoder", "mask_decoder"}
    assert "prompt_encoder.frequencies" not in changed


def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(make_model, tmp_path):
    whole = Fit(make_model(), config(steps=6, decay_steps=2), tmp_path / "whole", OFTEN)
    whole.run(batches())

    Fit(make_model(), config(steps=3), tmp_path / "parts", OFTEN).run(batches())
    resumed = Fit(make_model(seed=9), config(steps=6, decay_steps=2, seed=9), tmp_path / "parts", OFTEN)
    assert resumed.step == 3
    resumed.run(batches(3))
    assert resumed.step == 6
    for ours, theirs in ((resumed.average, whole.average), (resumed.model, whole.model)):
        state, other = ours.state_dict(), theirs.state_dict()
        assert all(torch.equal(state[name], other[name]) for name in other)
    first, second = resumed.optimizer.state_dict()["state"], whole.optimizer.state_dict()["state"]
    assert first.keys() == second.keys()
    for index in second:
        assert all(torch.equal(first[index][key], second[index][key]) for key in second[index])
    assert torch.equal(resumed.generator.get_state(), whole.generator.get_state())


def test_a_finished_run_takes_no_batch(make_model, tmp_path):
    Fit(make_model(), config(steps=2), tmp_path, OFTEN).run(batches())
    done = Fit(make_model(), config(steps=2), tmp_path, OFTEN)
    before = copy.deepcopy(done.average.state_dict())
    done.run(iter(()))
    assert all(torch.equal(tensor, before[name]) for name, tensor in done.average.state_dict().items())


def test_the_folder_of_a_run(make_model, tmp_path):
    """State and log, and nothing half written."""
    folder = tmp_path / "runs" / "first"
    Fit(make_model(), config(steps=5), folder, OFTEN).run(batches())
    assert sorted(path.name for path in folder.iterdir()) == ["log.jsonl", "state.pt"]
    state = torch.load(folder / "state.pt", weights_only=True)
    assert state["step"] == 5
    log = log_of(folder)
    assert [line["step"] for line in log] == [2, 4]
    for line in log:
        assert {"seconds", "rate", "gradient", "total", "focal", "dice", "iou", "object_score", "true_iou"} <= set(line)
    assert log[0]["rate"] == pytest.approx((0.5e-3 + 1e-3) / 2)


def test_a_state_that_fails_to_be_written_leaves_the_old_one(make_model, tmp_path, monkeypatch):
    fit = Fit(make_model(), config(steps=1), tmp_path, OFTEN)
    fit.run(batches())
    before = fit.state_file.read_bytes()

    def run_out_of_space(_: object, path: Path) -> None:
        path.write_bytes(b"half of a st")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", run_out_of_space)
    with pytest.raises(OSError, match="space"):
        fit.save()
    assert fit.state_file.read_bytes() == before


def test_saves_come_at_intervals_and_at_the_end(make_model, tmp_path):
    steps: list[int] = []
    fit = Fit(make_model(), config(steps=5, save_every=2), tmp_path, OFTEN)

    def on_save() -> None:
        assert torch.load(fit.state_file, weights_only=True)["step"] == fit.step
        steps.append(fit.step)

    fit.run(batches(), on_save)
    assert steps == [2, 4, 5]


def test_a_loss_that_is_not_finite_stops_the_run(make_model, tmp_path):
    """Before it reaches the weights, with the step, the rate and what to do."""
    fit = Fit(make_model(), config(steps=6), tmp_path, OFTEN)
    good = [batch_number(0), batch_number(1)]
    broken = batch_number(2)
    broken = PromptedBatch(broken.pixels * float("nan"), broken.masks, broken.clicks)
    with pytest.raises(FloatingPointError, match=r"loss is nan at step 2; lower learning_rate \(0\.001\)"):
        fit.run(iter([*good, broken]))
    assert fit.step == 2
    assert all(parameter.isfinite().all() for parameter in fit.model.parameters())
    assert all(parameter.isfinite().all() for parameter in fit.average.parameters())


def test_the_average_follows_the_weights(make_model, tmp_path):
    """Early on it forgets faster: with (1 + step) / (10 + step) until that is more than the decay."""
    fit = Fit(make_model(), config(steps=4, average_decay=0.25), tmp_path, OFTEN)
    name = "mask_decoder.mask_tokens"
    expected = fit.model.state_dict()[name].clone()
    for step, decay in ((1, 2 / 11), (2, 0.25), (3, 0.25), (4, 0.25)):
        fit.config = config(steps=step, average_decay=0.25)
        fit.run(batches(step))
        expected = decay * expected + (1 - decay) * fit.model.state_dict()[name]
        torch.testing.assert_close(fit.average.state_dict()[name], expected)
    assert not torch.equal(fit.average.state_dict()[name], fit.model.state_dict()[name])


def test_the_average_is_for_use_and_the_model_for_training(make_model, tmp_path):
    fit = Fit(make_model(), config(steps=1), tmp_path, OFTEN)
    fit.run(batches())
    assert not fit.average.training
    assert not any(parameter.requires_grad for parameter in fit.average.parameters())
    assert fit.model.training


def test_matrices_decay_and_vectors_do_not(make_model, tmp_path):
    fit = Fit(make_model(), config(), tmp_path, OFTEN)
    decayed, rest = fit.optimizer.param_groups
    assert decayed["weight_decay"] == 0.05
    assert rest["weight_decay"] == 0
    names = {id(parameter): name for name, parameter in fit.model.named_parameters()}
    of_decayed, of_rest = ({names[id(p)] for p in group["params"]} for group in (decayed, rest))
    assert of_decayed | of_rest == set(names.values())
    assert not of_decayed & of_rest
    modules = dict(fit.model.named_modules())
    for name in of_rest:
        owner = modules[name.rpartition(".")[0]] if "." in name else None
        norm = isinstance(owner, torch.nn.LayerNorm)
        assert norm or name.endswith("bias") or 1 in (*fit.model.get_parameter(name).shape, 1), name
    assert {"trunk.blocks.0.mlp.layers.0.weight", "mask_decoder.upscale1.weight"} <= of_decayed
    assert {"no_memory", "prompt_encoder.no_mask", "trunk.patch_embedding.projection.bias"} <= of_rest


def test_parts_have_rates_of_their_own_and_some_are_frozen(make_model, tmp_path):
    rates = {"trunk": 0.0, "mask_decoder": 0.1, "mask_decoder.iou_head": 0.5}
    model = make_model()
    before = copy.deepcopy(model.state_dict())
    fit = Fit(model, config(steps=1, warmup_steps=1, learning_rate=1e-2, rates=rates), tmp_path, OFTEN)
    fit.run(batches())
    names = {id(parameter): name for name, parameter in fit.model.named_parameters()}
    found = {names[id(p)]: group["lr"] for group in fit.optimizer.param_groups for p in group["params"]}
    assert found["mask_decoder.iou_token"] == pytest.approx(1e-3)
    assert found["mask_decoder.iou_head.layers.0.weight"] == pytest.approx(5e-3)
    assert found["no_memory"] == pytest.approx(1e-2)
    trunk = [name for name in before if name.startswith("trunk")]
    assert trunk
    assert not any(name in found for name in trunk)
    assert all(torch.equal(before[name], fit.model.state_dict()[name]) for name in trunk)


def test_gradients_are_clipped(make_model, tmp_path):
    """As a whole, to the given norm."""
    heavy = partial(image_step, prompts=PromptConfig(), weights=LossWeights(focal=1000.0))
    fit = Fit(make_model(), config(steps=1, clip_norm=1e-3), tmp_path, heavy)
    fit.run(batches())
    gradients = [parameter.grad for parameter in fit.model.parameters() if parameter.grad is not None]
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm().item()
    assert norm == pytest.approx(1e-3, rel=1e-2)


@pytest.fixture
def as_second_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes this process the second of two; the first, which is not there, has gradients three times as large."""
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_rank", lambda: 1)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "all_reduce", lambda gradients: gradients.mul_(4))


@pytest.mark.usefixtures("as_second_of_two")
def test_of_several_processes_the_first_writes(make_model, tmp_path):
    Fit(make_model(), config(steps=2, save_every=1), tmp_path, OFTEN).run(batches(), on_save=pytest.fail)
    assert list(tmp_path.iterdir()) == []


def test_of_several_processes_gradients_are_averaged(make_model, tmp_path, request):
    alone = Fit(make_model(), config(steps=1, clip_norm=1e9), tmp_path / "alone", OFTEN)
    alone.run(batches())
    request.getfixturevalue("as_second_of_two")
    together = Fit(make_model(), config(steps=1, clip_norm=1e9), tmp_path / "together", OFTEN)
    together.run(batches())
    for own, mean in zip(alone.model.parameters(), together.model.parameters(), strict=True):
        assert (own.grad is None) == (mean.grad is None)
        if own.grad is not None:
            torch.testing.assert_close(mean.grad, 2 * own.grad, atol=1e-6, rtol=1e-5)
