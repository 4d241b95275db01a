"""The published checkpoints' layouts, and transformers on the same weights."""

import json

import pytest
import torch

from masklet.checkpoint import files
from masklet.checkpoint.convert import convert, inspect
from masklet.checkpoint.layouts import foreign_name, from_native, native_name, to_native
from masklet.checkpoint.names import HUGGING_FACE, OFFICIAL, Layout
from masklet.checkpoint.recognise import recognise
from masklet.checkpoint.strict import compare
from masklet.config import PRESETS
from masklet.model import Sam2
from masklet.runtime.load import load_model
from masklet.types import Points

PUBLISHED = [name for name in PRESETS if name != "nano"]
ELEMENTS = {
    "sam2_hiera_tiny": 38_946_242,
    "sam2.1_hiera_tiny": 38_962_754,
    "sam2_hiera_small": 46_044_098,
    "sam2.1_hiera_small": 46_060_610,
    "sam2_hiera_base_plus": 80_833_922,
    "sam2.1_hiera_base_plus": 80_850_434,
    "sam2_hiera_large": 224_430_386,
    "sam2.1_hiera_large": 224_446_898,
}
TRUNK_ELEMENTS = {"tiny": 26_849_472, "small": 33_947_328, "base_plus": 68_675_712, "large": 212_149_296}
NECK_ELEMENTS = {"tiny": 369_664, "small": 369_664, "base_plus": 431_104, "large": 553_984}


@pytest.fixture
def layout_of(shared):
    def read(variant):
        shapes = json.loads((shared / "parity" / "layouts" / f"{variant}.json").read_text())
        return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}

    return read


def same(state, other):
    return sorted(state) == sorted(other) and all(torch.equal(state[name], other[name]) for name in state)


@pytest.mark.parametrize("variant", PUBLISHED)
def test_each_published_layout_is_recognised_and_fits_strictly(variant, layout_of):
    official = layout_of(variant)
    found = recognise(official)
    assert (found.layout, found.variant, found.config) == (Layout.OFFICIAL, variant, PRESETS[variant])
    with torch.device("meta"):
        model = Sam2(found.config)
    assert not compare(official, model.state_dict(), Layout.OFFICIAL)
    model.load_state_dict(to_native(official, Layout.OFFICIAL))


@pytest.mark.parametrize("variant", PUBLISHED)
def test_models_have_as_many_parameters_as_the_published_ones(variant):
    with torch.device("meta"):
        state = Sam2(PRESETS[variant]).state_dict()

    def count(part):
        return sum(tensor.numel() for name, tensor in state.items() if name.startswith(part))

    size = variant.split("hiera_")[1]
    assert count("") == ELEMENTS[variant]
    assert count("trunk.") == TRUNK_ELEMENTS[size]
    assert count("neck.") == NECK_ELEMENTS[size]
    assert count("memory_attention.") == 5_922_304
    assert count("memory_encoder.") == 1_384_608
    assert count("mask_decoder.") == 4_215_109
    assert count("prompt_encoder.") == 6_476
    assert count("pointer_projection.") == 197_376


def test_the_tables_say_what_the_published_list_of_names_says(shared):
    text = (shared / "parity" / "keys_tiny_2.1_official_to_hf.tsv").read_text()
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    assert len(rows) == 471
    stacked = {name for name, _ in OFFICIAL.stacks["prompt_encoder.labels"]}
    for official, _, hugging_face in rows:
        if official in stacked:
            assert hugging_face.split("[")[0] in dict(HUGGING_FACE.stacks["prompt_encoder.labels"])
            continue
        native = native_name(official, Layout.OFFICIAL)
        assert native is not None
        assert foreign_name(native, Layout.HF_VIDEO) == hugging_face


@pytest.mark.parametrize("variant", ["sam2.1_hiera_tiny", "sam2_hiera_tiny"])
def test_an_official_file_loads_and_goes_round_every_layout(variant, standin, tmp_path):
    official = files.read(standin(variant)).state
    model = load_model(standin(variant), device="cpu")
    assert model.config == PRESETS[variant]
    assert same(from_native(model.state_dict(), Layout.OFFICIAL), official)

    info = inspect(standin(variant))
    assert (info.variant, info.num_tensors, info.num_parameters) == (variant, len(official), ELEMENTS[variant])
    path = standin(variant)
    for step, layout in (("hf", "hf-video"), ("m.safetensors", "masklet"), ("o.pt", "official")):
        path = convert(path, tmp_path / step, layout).path
    assert same(files.read(path).state, official)
    assert list(torch.load(path, weights_only=True, mmap=True)) == ["model"]


@pytest.mark.slow
@pytest.mark.parametrize("variant", [name for name in PUBLISHED if "tiny" not in name])
def test_larger_official_files_load_too(variant, standin):
    model = load_model(standin(variant), device="cpu")
    assert same(from_native(model.state_dict(), Layout.OFFICIAL), files.read(standin(variant)).state)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_transformers_gives_the_same_features_masks_and_scores_on_converted_weights(standin, tmp_path):
    transformers = pytest.importorskip("transformers")
    size, side = 256, 16
    model = load_model(standin("sam2.1_hiera_tiny"), device="cpu", image_size=size)
    convert(standin("sam2.1_hiera_tiny"), tmp_path, "hf-video", config=model.config)
    for name in ("Sam2Model", "Sam2VideoModel"):
        theirs, info = getattr(transformers, name).from_pretrained(tmp_path, output_loading_info=True)
        assert not info["missing_keys"]
        assert not info["mismatched_keys"]
    theirs = transformers.Sam2Model.from_pretrained(tmp_path).eval()

    pixels = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    points = torch.tensor([[[100.0, 150.0], [30.0, 40.0]]])
    labels = torch.tensor([[1, 0]])
    with torch.inference_mode():
        features = model.encode_image(pixels)
        embedding = model.attend_memory(features.stride16)
        decoded = model.decode_masks(embedding, features, model.encode_prompts(Points(points, labels)))
        output = theirs(pixel_values=pixels, input_points=points[None], input_labels=labels[None])
    assert embedding.shape[-1] == side
    expected = (*output.image_embeddings, output.pred_masks[:, 0], output.iou_scores[:, 0])
    ours = (features.stride4, features.stride8, embedding, decoded.logits[:, 1:], decoded.iou_scores[:, 1:])
    for mine, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(decoded.object_score, output.object_score_logits[:, 0], rtol=1e-3, atol=1e-3)
