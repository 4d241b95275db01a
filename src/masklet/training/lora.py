"""Low-rank adaptation (LoRA, Hu et al., 2021): a large model learns through small matrices beside its frozen layers.

An adapted layer computes W x + b + (alpha / rank) U D x, where D and U are narrow and all that is trained of it; U
starts at zero, so the model starts as it was. Gradients and the optimiser's state shrink to the adapters. Layers keep
their names, and afterwards the product goes into W: a model like any other, at no cost in use. Upstream has no LoRA.

The trunk's queries, keys and values are one layer, so they share one D. Adapters are named within their layers, so the
optimiser's patterns over `trunk.*` take in those of the trunk; adapters alone are `*.lora_*`. They want larger rates
than whole weights do, such as 1e-4, and no layer decay.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from masklet.checkpoint.layouts import State
from masklet.io.files import write_atomically
from masklet.model import Sam2
from masklet.training.patterns import match_all

CONFIG_KEY, BASE_KEY = "masklet_lora", "masklet_lora_base"
"""Where a file of adapters says its configuration, and the digest of the weights that it belongs to."""

SEED = 0
"""Of the adapters' first weights, so that all processes and every new start have the same."""


@dataclass(frozen=True, kw_only=True)
class LoraConfig:
    """How large adapters are, and where."""

    rank: int = 8
    """Width of an adapter: it has rank * (inputs + outputs) weights."""
    alpha: float = 16.0
    """What an adapter adds is multiplied by alpha / rank, so that the rank can change and the learning rate stay."""
    targets: tuple[str, ...] = ("trunk.blocks.*.attention.*", "trunk.blocks.*.mlp.layers.*")
    """Patterns over the names of linear layers to adapt, such as also `mask_decoder.transformer.*`."""
    also_train: tuple[str, ...] = ("mask_decoder.*",)
    """Patterns over the names of parameters that are trained as they are; all others are frozen."""

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"rank is {self.rank}, but an adapter is at least 1 wide")
        if not self.alpha > 0:
            raise ValueError(f"alpha is {self.alpha}, but it must be positive: at 0 adapters would do nothing")
        if not self.targets:
            raise ValueError("targets is empty: name the layers to adapt, or freeze parts without adapters")


class LoraLinear(nn.Linear):
    """A linear layer with an adapter beside it. Its weight and bias are those of the layer it takes the place of."""

    def __init__(self, layer: nn.Linear, config: LoraConfig, generator: torch.Generator) -> None:
        super().__init__(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        self.scale = config.alpha / config.rank
        bound = layer.in_features**-0.5
        down = torch.empty(config.rank, layer.in_features).uniform_(-bound, bound, generator=generator)
        self.lora_down = nn.Parameter(down.to(layer.weight))
        self.lora_up = nn.Parameter(layer.weight.new_zeros(layer.out_features, config.rank))

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) + F.linear(F.linear(input, self.lora_down), self.lora_up) * self.scale

    def merged_weight(self) -> Tensor:
        """The weight of a plain layer that computes the same."""
        product = self.lora_up.float() @ self.lora_down.float()
        return (self.weight.float() + product * self.scale).to(self.weight.dtype)


def add_lora(model: Sam2, config: LoraConfig) -> None:
    """Put adapters into a model and freeze the rest, but for `config.also_train`. Its outputs stay what they were.

    ValueError: a pattern that matches nothing, or a model that has adapters already.
    """
    if any(isinstance(module, LoraLinear) for module in model.modules()):
        raise ValueError("the model has adapters already: merge them, or add others to a model without")
    layers = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    trained = match_all(config.also_train, [name for name, _ in model.named_parameters()], "also_train")
    targets = match_all(config.targets, list(layers), "targets")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trained)
    generator = torch.Generator().manual_seed(SEED)
    for name, layer in layers.items():
        if name in targets:
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, LoraLinear(layer, config, generator))


@torch.no_grad()
def merge_lora(model: Sam2) -> State:
    """The model's weights with its adapters merged in: exactly the tensors of a model without, ready for saving.

    The model stays as it is, and those of its tensors that nothing is merged into are shared with it.
    """
    state = model.state_dict()
    for name, module in model.named_modules():
        if isinstance(module, LoraLinear):
            state[f"{name}.weight"] = module.merged_weight()
    return {name: tensor for name, tensor in state.items() if not _of_adapter(name)}


def save_lora(path: str | Path, state: State, config: LoraConfig) -> None:
    """Write what training with adapters changed, and that alone, as safetensors: a small file beside the base model.

    state: all tensors of a model with adapters.
    """
    also = match_all(config.also_train, list(state), "also_train")
    changed = {name: tensor.cpu().contiguous() for name, tensor in state.items() if _of_adapter(name) or name in also}
    base = {name: tensor for name, tensor in state.items() if name not in changed}
    header = {"format": "pt", CONFIG_KEY: json.dumps(asdict(config)), BASE_KEY: _digest(base)}
    with write_atomically(path) as temporary:
        save_file(changed, temporary, header)


def load_lora(model: Sam2, path: str | Path) -> LoraConfig:
    """Add the adapters of a file to the model that they were trained beside, with all else that was trained.

    The model can then be used, trained on or merged. FileNotFoundError; ValueError for a file without adapters, or of
    those of another model, which is then left as it was.
    """
    config, base, changed = _read(Path(path))
    rest = {name: tensor for name, tensor in model.state_dict().items() if name not in changed}
    if _digest(rest) != base:
        raise ValueError(
            f"{path} holds adapters of another model: they add to the very weights that they were trained beside. Load "
            "those, without adapters and in the dtype they had, such as float32"
        )
    add_lora(model, config)
    model.load_state_dict(changed, strict=False)
    return config


def _read(path: Path) -> tuple[LoraConfig, str, State]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: adapters that training has saved were expected")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        values = json.loads(metadata[CONFIG_KEY])
        config = LoraConfig(
            rank=values["rank"],
            alpha=values["alpha"],
            targets=tuple(values["targets"]),
            also_train=tuple(values["also_train"]),
        )
        return config, metadata[BASE_KEY], state
    except (SafetensorError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is no file of adapters, or a damaged one: train some, or copy it again") from error


def _of_adapter(name: str) -> bool:
    return name.endswith((".lora_down", ".lora_up"))


def _digest(state: State) -> str:
    """A digest of tensors: names, types, shapes and every bit."""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
