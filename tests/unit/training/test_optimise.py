"""Groups of parameters, beside what the published rules say of each official name; schedules, freezing, clipping."""

import math
import re
from fnmatch import fnmatchcase

import pytest
import torch

from masklet.checkpoint.layouts import from_native
from masklet.checkpoint.names import Layout
from masklet.config import ModelConfig, preset
from masklet.model import Sam2
from masklet.training.average import WeightAverage
from masklet.training.lora import LoraConfig, add_lora
from masklet.training.optimise import (
    OptimiserConfig,
    build_optimizer,
    clip_gradients,
    freeze,
    set_progress,
    trainable_summary,
)
from masklet.training.schedules import ScheduleConfig

PLAIN = OptimiserConfig(learning_rate=1e-3, rates={}, layer_decay=1.0, schedule=ScheduleConfig(kind="constant"))

OFFICIAL_TOKEN_NORMS = (
    r"image_encoder\.trunk\.blocks\.\d+\.norm[12]\.weight"
    r"|sam_mask_decoder\.transformer\.(layers\.\d+\.norm[1234]|norm_final_attn)\.weight"
    r"|memory_attention\.(layers\.\d+\.norm[123]|norm)\.weight"
)


def groups_by_name(model: Sam2, config: OptimiserConfig) -> dict[str, dict]:
    names = {parameter: name for name, parameter in model.named_parameters()}
    freeze(model, config)
    groups = build_optimizer(model, config).param_groups
    pairs = [(names[parameter], group) for group in groups for parameter in group["params"]]
    assert len(pairs) == len(dict(pairs)), "a parameter is in two groups"
    return dict(pairs)


def published_layer(name: str, depth: int) -> int:
    if "pos_embed" in name or "patch_embed" in name:
        return 0
    return int(name.split(".")[3]) + 1 if ".blocks." in name else depth + 1


def published_rate(name: str, depth: int) -> float:
    rate = 3e-6 if fnmatchcase(name, "image_encoder.*") else 5e-6
    if not name.startswith("image_encoder.trunk") or fnmatchcase(name, "*pos_embed*"):
        return rate
    return rate * 0.9 ** (depth + 1 - published_layer(name, depth))


def published_decay(name: str) -> float:
    return 0.0 if fnmatchcase(name, "*bias*") or re.fullmatch(OFFICIAL_TOKEN_NORMS, name) else 0.1


def test_defaults_are_the_published_rules_parameter_by_parameter() -> None:
    config = preset("sam2.1_hiera_base_plus")
    with torch.device("meta"):
        model = Sam2(config)
    groups = groups_by_name(model, OptimiserConfig())
    parameters = dict(model.named_parameters())
    assert groups.keys() == parameters.keys()
    for name, group in groups.items():
        for official in from_native({name: parameters[name]}, Layout.OFFICIAL):
            assert group["lr"] == pytest.approx(published_rate(official, config.trunk.depth), rel=1e-12), official
            assert group["weight_decay"] == published_decay(official), official
            assert group["betas"] == (0.9, 0.999)
    assert groups["trunk.position"]["lr"] == 3e-6
    assert groups["trunk.blocks.23.mlp.layers.0.weight"]["lr"] == pytest.approx(2.7e-6)
    assert groups["mask_decoder.upscale_norm.weight"]["weight_decay"] == 0.1
    assert groups["trunk.blocks.0.norm1.weight"]["weight_decay"] == 0


def test_only_weights_of_layers_decay_if_asked(tiny: ModelConfig) -> None:
    groups = groups_by_name(Sam2(tiny), OptimiserConfig(weight_decay=0.05, decayed="weights"))
    decayed = {name for name, group in groups.items() if group["weight_decay"] == 0.05}
    assert {"trunk.blocks.0.attention.qkv.weight", "neck.laterals.0.weight"} <= decayed
    assert decayed.isdisjoint({"trunk.position", "mask_decoder.iou_token", "prompt_encoder.labels", "no_memory"})
    assert not any("norm" in name or name.endswith("bias") for name in decayed)


def test_rates_by_part_the_last_pattern_counting(tiny: ModelConfig) -> None:
    rates = {"mask_decoder.*": 1e-4, "*.iou_head.*": 1e-5}
    groups = groups_by_name(Sam2(tiny), OptimiserConfig(learning_rate=1e-3, rates=rates))
    assert groups["mask_decoder.iou_token"]["lr"] == 1e-4
    assert groups["mask_decoder.iou_head.layers.0.bias"]["lr"] == 1e-5
    assert groups["memory_time"]["lr"] == 1e-3


def test_frozen_parts_and_parts_without_rate_are_left_out(tiny: ModelConfig) -> None:
    model = Sam2(tiny)
    model.no_memory.requires_grad_(False)
    groups = groups_by_name(model, OptimiserConfig(rates={"neck.*": 0.0}, frozen=("trunk.*", "*_head.*")))
    for name, parameter in model.named_parameters():
        frozen = name.startswith(("trunk.", "neck.")) or "_head." in name or name == "no_memory"
        assert parameter.requires_grad != frozen
        assert (name in groups) != frozen


def test_nothing_left_to_train(tiny: ModelConfig) -> None:
    with pytest.raises(ValueError, match="nothing is left to train"):
        freeze(Sam2(tiny), OptimiserConfig(frozen=("*",)))


@pytest.mark.parametrize("field", ["rates", "frozen"])
def test_misspelt_patterns_are_errors(tiny: ModelConfig, field: str) -> None:
    value = {"trnk.*": 1e-4} if field == "rates" else ("trnk.*",)
    with pytest.raises(ValueError, match=rf"{field}: .*'trnk\.\*' matches nothing: did you mean trunk\.\*\?"):
        freeze(Sam2(tiny), OptimiserConfig(**{field: value}))


def test_rates_follow_the_schedule_of_the_configuration_also_after_a_resume(tiny: ModelConfig) -> None:
    model = Sam2(tiny)
    optimizer = build_optimizer(model, OptimiserConfig())
    set_progress(optimizer, 1.0)
    rates = [group["lr"] for group in optimizer.param_groups]
    assert rates == pytest.approx([rate / 10 for rate in optimizer.rates])

    slower = build_optimizer(model, OptimiserConfig(learning_rate=1e-6, rates={}, layer_decay=1.0))
    slower.load_state_dict(build_optimizer(model, PLAIN).state_dict())
    set_progress(slower, 0.0)
    assert {group["lr"] for group in slower.param_groups} == {1e-6}


def test_warm_up_starts_at_nothing(tiny: ModelConfig) -> None:
    optimizer = build_optimizer(Sam2(tiny), OptimiserConfig(schedule=ScheduleConfig(warmup=0.5)))
    assert all(group["lr"] == 0 for group in optimizer.param_groups)


def test_adapters_are_frozen_and_averaged_as_other_parameters(tiny: ModelConfig) -> None:
    model = Sam2(tiny)
    add_lora(model, LoraConfig(rank=2))
    groups = groups_by_name(model, OptimiserConfig(rates={"*.lora_*": 1e-4}, frozen=("trunk.blocks.0.*",)))
    adapters = {name for name in groups if "lora_" in name}
    assert adapters
    assert not any(name.startswith("trunk.blocks.0.") for name in groups)
    assert {name.split(".")[0] for name in groups.keys() - adapters} == {"mask_decoder"}
    assert groups["trunk.blocks.3.mlp.layers.1.lora_up"]["lr"] == pytest.approx(0.9e-4)
    assert WeightAverage(model, 0.9).weights.keys() == groups.keys()


def test_gradients_are_clipped_together() -> None:
    first, second = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    first.grad, second.grad = torch.tensor([3.0]), torch.tensor([4.0])
    assert clip_gradients([first, second], math.inf).item() == 5
    assert first.grad.item() == 3
    assert clip_gradients([first, second], 1.0).item() == 5
    assert [first.grad.item(), second.grad.item()] == pytest.approx([0.6, 0.8], rel=1e-5)


def test_summary_counts_by_part(tiny: ModelConfig) -> None:
    model = Sam2(tiny)
    freeze(model, OptimiserConfig(frozen=("trunk.*", "neck.laterals.0.*")))
    summary = trainable_summary(model)
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert summary.startswith(f"{trained:,} of {sum(p.numel() for p in model.parameters()):,} parameters are trained: ")
    assert ", neck 3,680 of 3,968, " in summary
    assert ", no_memory 32, " in summary
    assert summary.endswith("; frozen: trunk")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"rates": {"trunk.*": -1.0}}, r"rates: trunk\.\* is -1.0"),
        ({"layer_decay": 0}, "layer_decay is 0"),
        ({"weight_decay": math.nan}, "weight_decay is nan"),
        ({"decayed": "all"}, "decayed is 'all', but it must be one of published, weights"),
        ({"betas": (0.9, 1.0)}, r"betas are \(0.9, 1.0\)"),
        ({"clip_norm": 0}, "clip_norm is 0"),
    ],
)
def test_a_configuration_that_cannot_be(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OptimiserConfig(**values)
