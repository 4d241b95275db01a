"""`build_sam2` and what it gives: the original's model builder over masklet's loader."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from masklet.checkpoint import registry
from masklet.checkpoint.layouts import from_native, to_native
from masklet.checkpoint.names import Layout
from masklet.compat.sam2.overrides import Build, resolve
from masklet.model import Sam2
from masklet.ops.multimask import RELEASED_STABILITY, StabilityPolicy
from masklet.runtime.load import default_device, load_model, prepare

_log = logging.getLogger(__name__)


class SAM2Base(nn.Module):
    """A model as the original's builder gives it: `state_dict` and `load_state_dict` speak the official names.

    `model` is masklet's model, `stability` the single-mask policy that the original keeps in its mask decoder.
    """

    def __init__(self, model: Sam2, stability: StabilityPolicy | None = RELEASED_STABILITY) -> None:
        super().__init__()
        self.model = model
        self.stability = stability
        self.register_state_dict_post_hook(_rename_to_official)
        self.register_load_state_dict_pre_hook(_rename_to_native)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.device

    @property
    def image_size(self) -> int:
        """Side of the model's input in pixels."""
        return self.model.config.image_size

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Not to be called, as in the original."""
        raise NotImplementedError("use SAM2ImagePredictor, or the verbs of masklet's own model in `.model`")


def build_sam2(
    config_file: str,
    ckpt_path: str | Path | None = None,
    device: str | torch.device = "cuda",
    mode: str = "eval",
    hydra_overrides_extra: Sequence[str] = (),
    apply_postprocessing: bool = True,
    **kwargs: Any,
) -> SAM2Base:
    """The original's `build_sam2`: a model of a named configuration, with a checkpoint's weights or random ones.

    apply_postprocessing: single masks that waver are replaced by the best multimask. mode: anything but "eval" leaves
    the model in training mode. Other keywords are swallowed, as in the original.
    """
    build = resolve(config_file, hydra_overrides_extra, apply_postprocessing)
    return SAM2Base(load_built(build, ckpt_path, device), build.stability).train(mode != "eval")


def build_sam2_hf(model_id: str, **kwargs: Any) -> SAM2Base:
    """The original's `build_sam2_hf`: a published model by its repository id, downloaded once."""
    published = find_published(model_id)
    return build_sam2(published.name, registry.download(published), **kwargs)


def load_built(build: Build, ckpt_path: str | Path | None, device: str | torch.device) -> Sam2:
    """The model of a resolved configuration, with a checkpoint's weights or random ones."""
    place = _device(device)
    if ckpt_path is None:
        return prepare(Sam2(build.config), device=place, compile=build.compile)
    return load_model(ckpt_path, device=place, compile=build.compile, config=build.config)


def find_published(model_id: str) -> registry.Published:
    """A published model by its repository id. ValueError lists the ids there are."""
    published = registry.find(model_id)
    if published is None:
        ids = ", ".join(p.repo_id for p in registry.PUBLISHED)
        raise ValueError(f"no published model has the id {model_id!r}; the ids are {ids}")
    return published


def _device(device: str | torch.device) -> torch.device:
    asked = torch.device(device)
    if asked.type == "cuda" and not torch.cuda.is_available():
        best = default_device()
        _log.warning("there is no CUDA device here: the model goes to %s", best)
        return best
    return asked


def _rename_to_official(module: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    inner = f"{prefix}model."
    native = {name.removeprefix(inner): state.pop(name) for name in list(state) if name.startswith(inner)}
    state.update({f"{prefix}{name}": tensor for name, tensor in from_native(native, Layout.OFFICIAL).items()})


def _rename_to_native(module: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    official = {name.removeprefix(prefix): state.pop(name) for name in list(state) if name.startswith(prefix)}
    state.update({f"{prefix}model.{name}": tensor for name, tensor in to_native(official, Layout.OFFICIAL).items()})
