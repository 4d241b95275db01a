"""The original's config names and overrides as masklet's configurations."""

import pytest

from masklet.compat.sam2.overrides import config_of, resolve
from masklet.config import PRESETS
from masklet.ops.multimask import RELEASED_STABILITY, StabilityPolicy

TINY = "configs/sam2.1/sam2.1_hiera_t.yaml"


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        (TINY, "sam2.1_hiera_tiny"),
        ("configs/sam2.1/sam2.1_hiera_s.yaml", "sam2.1_hiera_small"),
        ("configs/sam2.1/sam2.1_hiera_b+.yaml", "sam2.1_hiera_base_plus"),
        ("configs/sam2/sam2_hiera_l.yaml", "sam2_hiera_large"),
        ("sam2_hiera_b+.yaml", "sam2_hiera_base_plus"),
        ("sam2_hiera_t", "sam2_hiera_tiny"),
        ("nano", "nano"),
    ],
)
def test_official_config_names(name, preset):
    assert config_of(name) == PRESETS[preset]


@pytest.mark.parametrize("name", ["sam2_hiera_xl.yaml", "configs/sam3/sam3.yaml", ""])
def test_unknown_config_names(name):
    with pytest.raises(ValueError, match="no configuration is named"):
        config_of(name)


def test_fields_of_the_configuration():
    overrides = [
        "++model.image_size=512",
        "+model.num_maskmem=5",
        "model.no_obj_embed_spatial=False",
        "++model.image_encoder.trunk.stages=[1,2,3,2]",
        "++model.image_encoder.trunk.global_att_blocks=[5]",
    ]
    config = resolve(TINY, overrides, True).config
    assert config.image_size == 512
    assert config.memory.num_memories == 5
    assert not config.absence_embedding
    assert config.trunk.stage_depths == (1, 2, 3, 2)
    assert config.trunk.global_blocks == (5,)
    assert config.pointer_time_encoding


def test_the_three_pointer_switches_go_together():
    names = ("add_tpos_enc_to_obj_ptrs", "proj_tpos_enc_in_obj_ptrs", "use_signed_tpos_enc_to_obj_ptrs")
    overrides = [f"++model.{name}=false" for name in names]
    assert not resolve(TINY, overrides, True).config.pointer_time_encoding
    with pytest.raises(ValueError, match="set these three alike"):
        resolve(TINY, overrides[:1], True)


def test_post_processing_comes_last_as_in_the_original():
    off = ["++model.sam_mask_decoder_extra_args.dynamic_multimask_via_stability=false"]
    on = [
        "++model.sam_mask_decoder_extra_args.dynamic_multimask_via_stability=true",
        "++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_delta=0.1",
    ]
    assert resolve(TINY, [], True).stability == RELEASED_STABILITY
    assert resolve(TINY, off, True).stability == RELEASED_STABILITY
    assert resolve(TINY, [], False).stability is None
    assert resolve(TINY, on, False).stability == StabilityPolicy(delta=0.1, threshold=0.98)


def test_fixed_fields_take_their_released_value_alone():
    resolve(TINY, ["++model.pred_obj_scores=true", "++model.multimask_max_pt_num=1"], True)
    resolve(TINY, ["++model.image_encoder.neck.fpn_interp_model=nearest", "++model.max_cond_frames_in_attn=-1"], True)
    with pytest.raises(ValueError, match="no released model has"):
        resolve(TINY, ["++model.pred_obj_scores=false"], True)


def test_what_follows_from_the_image_size_may_be_given():
    field = "memory_attention.layer.self_attention.feat_sizes"
    assert resolve(TINY, ["++model.image_size=512", f"++model.{field}=[32,32]"], True).config.image_size == 512


def test_compiling_the_image_encoder():
    assert resolve(TINY, ["++model.compile_image_encoder=True"], True).compile


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("++model.imagesize=512", "names no field"),
        ("++trainer.epochs=3", "names no field"),
        ("++model.sam_mask_decoder_extra_args.dynamic_multimask_nonsense=1", "nonsense"),
        ("model.image_size", "not of the form"),
        ("++model.image_size=big", "image_size is 'big'"),
        ("++model.image_size=500", "500.*multiple of 32"),
        ("++model.compile_image_encoder=1", "must be true or false"),
        ("++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_thresh=abc", "must be a number"),
    ],
)
def test_bad_overrides_are_errors(override, message):
    with pytest.raises(ValueError, match=message):
        resolve(TINY, [override], True)
