"""`build_sam2` and the official names of its weights."""

import pytest
import torch

from masklet.compat.sam2 import SAM2Base, build_sam2, build_sam2_hf

SMALL = ["++model.image_size=64"]


def build(**kwargs) -> SAM2Base:
    return build_sam2("nano", device="cpu", hydra_overrides_extra=SMALL, **kwargs)


def test_modes_and_properties():
    assert not build().training
    assert build(mode="train").training
    model = build()
    assert model.image_size == 64
    assert model.device == torch.device("cpu")


def test_cuda_means_the_best_device_there_is():
    assert build_sam2("nano", hydra_overrides_extra=SMALL).device.type in ("cuda", "mps", "cpu")


def test_state_dict_speaks_the_official_names(shared):
    import json

    layout = json.loads((shared / "parity" / "layouts" / "sam2.1_hiera_tiny.json").read_text())
    with torch.device("meta"):
        model = build_sam2("configs/sam2.1/sam2.1_hiera_t.yaml", device="meta")
    assert {name: list(tensor.shape) for name, tensor in model.state_dict().items()} == layout


def test_state_dict_there_and_back():
    first, second = build(), build()
    state = first.state_dict()
    assert "sam_prompt_encoder.point_embeddings.0.weight" in state
    second.load_state_dict(state)
    for name, tensor in second.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_a_checkpoint_as_training_saves_it(tmp_path):
    model = build()
    torch.save({"model": model.state_dict(), "epoch": 3}, tmp_path / "checkpoint.pt")
    again = build(ckpt_path=tmp_path / "checkpoint.pt")
    for name, tensor in again.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name


def test_a_checkpoint_that_does_not_fit(tmp_path):
    state = build().state_dict()
    del state["no_mem_embed"]
    torch.save({"model": state}, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="no_mem_embed"):
        build(ckpt_path=tmp_path / "checkpoint.pt")


def test_unknown_hub_id():
    with pytest.raises(ValueError, match="facebook/sam2-hiera-tiny"):
        build_sam2_hf("facebook/sam3")


def test_the_base_model_is_not_called():
    with pytest.raises(NotImplementedError, match="SAM2ImagePredictor"):
        build()(torch.zeros(1))
