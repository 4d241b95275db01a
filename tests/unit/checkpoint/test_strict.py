import pytest
import torch

from masklet.checkpoint.layouts import from_native, is_memory_part
from masklet.checkpoint.names import Layout
from masklet.checkpoint.strict import CheckpointMismatch, load_into
from masklet.model import Sam2
from masklet.types import MemoryTokens


@pytest.mark.parametrize("layout", [Layout.MASKLET, Layout.OFFICIAL, Layout.HF_VIDEO])
def test_loads_whole_models(layout, config, make_state):
    state = make_state(config)
    model = Sam2(config)
    load_into(model, from_native(state, layout), layout)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


def test_2_0_models_load_too(config_2_0, make_state):
    model = Sam2(config_2_0)
    load_into(model, from_native(make_state(config_2_0), Layout.OFFICIAL), Layout.OFFICIAL)


def test_half_precision_is_widened(config, make_state):
    state = make_state(config, torch.float16)
    model = Sam2(config)
    load_into(model, state, Layout.MASKLET)
    assert model.dtype == torch.float32
    assert torch.equal(model.memory_time, state["memory_time"].float())


def test_one_error_names_every_problem_in_the_files_own_names(config, make_state):
    state = from_native(make_state(config), Layout.OFFICIAL)
    del state["no_mem_embed"]
    del state["sam_prompt_encoder.point_embeddings.3.weight"]
    state["maskmem_tpos_enc"] = torch.zeros(6, 1, 1, 64)
    state["extra.weight"] = torch.zeros(1)
    state["mask_downsample.bias"] = torch.zeros(1, dtype=torch.int64)
    model = Sam2(config)
    before = model.no_object_pointer.clone()
    with pytest.raises(CheckpointMismatch) as error:
        load_into(model, state, Layout.OFFICIAL, "some.pt")
    problems = error.value.problems
    assert set(problems.missing) == {"no_mem_embed", "sam_prompt_encoder.point_embeddings.3.weight"}
    assert problems.unexpected == ("extra.weight",)
    assert problems.misshapen == (("maskmem_tpos_enc", (6, 1, 1, 64), (7, 1, 1, 64)),)
    assert problems.not_floating == ("mask_downsample.bias",)
    message = str(error.value)
    assert message.startswith("some.pt does not fit the model")
    assert "maskmem_tpos_enc is (6, 1, 1, 64), not (7, 1, 1, 64)" in message
    assert torch.equal(model.no_object_pointer, before), "nothing is loaded"


def test_long_lists_are_shortened_but_kept_whole_in_the_error(config, make_state):
    state = {k: v for k, v in make_state(config).items() if not k.startswith("mask_decoder.")}
    with pytest.raises(CheckpointMismatch, match=r"missing: .* and \d+ more$") as error:
        load_into(Sam2(config), state, Layout.MASKLET)
    assert len(error.value.problems.missing) > 50
    assert len(str(error.value)) < 1000


def test_one_name_of_the_fourier_matrix_is_enough(config, make_state):
    state = from_native(make_state(config), Layout.HF_VIDEO)
    del state["shared_image_embedding.positional_embedding"]
    load_into(Sam2(config), state, Layout.HF_VIDEO)


def test_without_either_the_fourier_matrix_is_missing(config, make_state):
    state = from_native(make_state(config), Layout.HF_VIDEO)
    state = {k: v for k, v in state.items() if not k.endswith("positional_embedding")}
    with pytest.raises(CheckpointMismatch, match=r"shared_image_embedding\.positional_embedding"):
        load_into(Sam2(config), state, Layout.HF_VIDEO)


def test_part_of_the_memory_is_not_enough(config, make_state):
    state = {k: v for k, v in make_state(config).items() if not k.startswith("memory_encoder.")}
    with pytest.raises(CheckpointMismatch, match=r"missing: memory_encoder\."):
        load_into(Sam2(config), state, Layout.MASKLET)


def test_an_image_only_checkpoint_makes_a_model_of_still_images(config, make_state):
    model = Sam2(config).eval()
    load_into(model, from_native(make_state(config), Layout.HF_IMAGE), Layout.HF_IMAGE, "images.safetensors")
    with torch.inference_mode():
        features = model.encode_image(torch.zeros(1, 3, 64, 64))
        embedding = model.attend_memory(features.stride16)
        assert model.decode_masks(embedding, features, model.encode_prompts()).logits.isfinite().all()
        memory = MemoryTokens(torch.zeros(1, 16, 64), torch.zeros(1, 16, 64), 0)
        with pytest.raises(ValueError, match=r"images\.safetensors holds the still-image parts"):
            model.attend_memory(features.stride16, memory)
        mask, pointer = torch.zeros(1, 1, 64, 64), torch.zeros(1, 64)
        with pytest.raises(ValueError, match="cannot follow objects through a video"):
            model.encode_memory(features.stride16, mask, pointer, torch.ones(1, 1, dtype=torch.bool))
    assert not any(name.startswith("memory") for name in model.state_dict())


def test_an_official_checkpoint_without_memory_is_not_whole(config, make_state):
    state = make_state(config)
    official = from_native({name: state[name] for name in state if not is_memory_part(name)}, Layout.OFFICIAL)
    with pytest.raises(CheckpointMismatch, match="missing") as raised:
        load_into(Sam2(config), official, Layout.OFFICIAL)
    assert "maskmem_tpos_enc" in raised.value.problems.missing
