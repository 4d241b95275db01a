"""Features there and back, bit for bit; files that hold none."""

import pytest
import torch
from safetensors.torch import save_file

from masklet.io.features import load_features, save_features
from masklet.types import ImageFeatures


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_there_and_back(tmp_path, dtype):
    maps = [torch.randn(2, 8, side, side).to(dtype) for side in (4, 8, 16)]
    features = ImageFeatures(*maps, ((30, 40), (7, 5)))
    save_features(tmp_path / "a.features", features)
    again = load_features(tmp_path / "a.features")
    for name in ("stride16", "stride8", "stride4"):
        assert torch.equal(getattr(again, name), getattr(features, name))
    assert again.image_sizes == features.image_sizes
    assert [path.name for path in tmp_path.iterdir()] == ["a.features"]
    (tmp_path / "ordinary").touch()
    assert (tmp_path / "a.features").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_a_slice_of_a_batch_is_saved_alone(tmp_path):
    batch = ImageFeatures(*(torch.randn(50, 8, s, s) for s in (4, 8, 16)), ((3, 4),) * 50)
    save_features(tmp_path / "one", batch[7])
    assert (tmp_path / "one").stat().st_size < 20_000
    assert torch.equal(load_features(tmp_path / "one").stride8, batch.stride8[7:8])


def test_other_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        load_features(tmp_path / "none")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ValueError, match="damaged"):
        load_features(tmp_path / "text")
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign")
    with pytest.raises(ValueError, match="save_features"):
        load_features(tmp_path / "foreign")
    maps = {name: torch.zeros(1, 2, 1, 1) for name in ("stride16", "stride8", "stride4")}
    save_file(maps, tmp_path / "no_sizes", metadata={"format": "masklet-image-features-1"})
    with pytest.raises(ValueError, match="1 images, but the sizes of 0"):
        load_features(tmp_path / "no_sizes")
    save_features(tmp_path / "cut", ImageFeatures(*(torch.zeros(1, 2, s, s) for s in (1, 2, 4)), ((1, 1),)))
    (tmp_path / "cut").write_bytes((tmp_path / "cut").read_bytes()[:-10])
    with pytest.raises(ValueError, match="damaged"):
        load_features(tmp_path / "cut")
