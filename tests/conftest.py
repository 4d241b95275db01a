"""What all tests share: shapes checked at run time, the optional folder of reference data, and stand-in checkpoints."""

import importlib.util
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jaxtyping
import numpy as np
import pytest
from hypothesis import settings

# Before masklet is imported for the first time, so that every annotated signature is checked under pytest.
jaxtyping.install_import_hook(["masklet.model", "masklet.ops", "masklet.tracking"], "beartype.beartype")

import torch  # noqa: E402

from masklet.checkpoint.save import save_model  # noqa: E402
from masklet.config import DecoderConfig, MemoryConfig, ModelConfig, TrunkConfig  # noqa: E402
from masklet.model import Sam2  # noqa: E402

# A busy machine is no failure.
settings.register_profile("no_clock", deadline=None)
settings.load_profile("no_clock")

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"


@pytest.fixture(scope="session")
def tiny() -> ModelConfig:
    """The configuration of a whole model that answers in milliseconds."""
    return ModelConfig(
        image_size=64,
        dim=32,
        trunk=TrunkConfig(
            embed_dim=8,
            stage_depths=(1, 1, 1, 1),
            window_sizes=(8, 4, 4, 2),
            global_blocks=(0,),
            position_grid=(4, 4),
        ),
        decoder=DecoderConfig(depth=1, num_heads=2, mlp_dim=32),
        memory=MemoryConfig(dim=16, attention_layers=1, attention_mlp_dim=32, fuser_layers=1),
    )


@pytest.fixture(scope="module")
def remembering_model(tiny: ModelConfig) -> Sam2:
    """A tiny model with random weights, some of them enlarged so that objects are present and memory counts."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Sam2(tiny).eval().requires_grad_(False)
    larger = {"hypernetworks": 3, "decoder.transformer": 2, "cross_attention.k": 2, "cross_attention.v": 6}
    larger |= {"cross_attention.out": 6, "memory_time": 20, "memory_encoder": 3, "pointer": 3}
    for name, weights in model.named_parameters():
        for part, factor in larger.items():
            weights.mul_(factor if part in name else 1)
    model.get_parameter("mask_decoder.object_head.layers.2.bias").fill_(4.0)
    return model


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny: ModelConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .pt file with random weights of a tiny model, which states its own configuration."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Sam2(tiny)
    return save_model(model, tmp_path_factory.mktemp("tiny") / "tiny.pt")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of specification, goldens and real media beside the checkout; without it the test is skipped."""
    if not (SHARED / "parity").is_dir():
        pytest.skip("needs the folder of reference data beside the checkout (../shared), which is not there")
    return SHARED


@pytest.fixture(scope="session")
def standin(shared: Path) -> Iterator[Callable[..., Path]]:
    """`standin(variant, salt=0, object_score_shift=0.0)`: a checkpoint in the official layout, made once a session.

    Its weights are those that the goldens were made with. The files, which are large, go when the session ends.
    """
    maker = _load_module(shared / "parity" / "standin_weights.py")
    with tempfile.TemporaryDirectory(prefix="masklet-standin-") as folder:

        def make(variant: str, salt: int = 0, object_score_shift: float = 0.0) -> Path:
            path = Path(folder) / f"{variant}-salt{salt}-shift{object_score_shift}.pt"
            if not path.exists():
                layout = json.loads((shared / "parity" / "layouts" / f"{variant}.json").read_text())
                torch.save(maker.checkpoint(layout, salt, object_score_shift), path)
            return path

        yield make


@pytest.fixture(scope="session")
def goldens(shared: Path) -> Callable[..., dict[str, np.ndarray]]:
    """`goldens("sam2.1_hiera_tiny", 256, kind="image", salt=0)`: the arrays of one file of golden outputs."""

    def load(variant: str, image_size: int, kind: str = "image", salt: int = 0) -> dict[str, np.ndarray]:
        with np.load(shared / "parity" / f"{variant}-{image_size}px-salt{salt}-{kind}.npz") as file:
            return dict(file)

    return load


@pytest.fixture(scope="session")
def scenario(shared: Path) -> Any:
    """The module with the calls that the goldens were made by."""
    return _load_module(shared / "parity" / "scenario.py")


def _load_module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
