"""The cache of frame features: the last used are kept, and read and encoded once."""

import pytest
import torch

from masklet.model import Sam2
from masklet.predictors.frame_features import FrameFeatures


@pytest.fixture(scope="module")
def model(tiny) -> Sam2:
    torch.manual_seed(0)
    return Sam2(tiny).eval()


@pytest.fixture
def reads() -> list[int]:
    return []


@pytest.fixture
def read(reads):
    def frame(index: int) -> torch.Tensor:
        reads.append(index)
        return torch.full((3, 64, 64), float(index))

    return frame


def test_features_are_those_of_the_frame(model, read):
    features = FrameFeatures(model, read, 2)[3]
    alone = model.encode_image(torch.full((1, 3, 64, 64), 3.0))
    assert torch.equal(features.stride16, alone.stride16)
    assert torch.equal(features.stride4, alone.stride4)
    assert not features.stride16.requires_grad


def test_the_frames_used_last_are_kept(model, read, reads):
    cache = FrameFeatures(model, read, 2)
    first = cache[0]
    cache[1]
    assert cache[0] is first
    cache[2]  # frame 1 goes, which was used before frame 0
    assert cache[0] is first
    assert reads == [0, 1, 2]
    cache[2]
    cache[1]
    assert reads == [0, 1, 2, 1]
    cache.clear()
    cache[1]
    assert reads == [0, 1, 2, 1, 1]


def test_frames_are_brought_to_the_model(model, read):
    half = Sam2(model.config).eval().to(torch.bfloat16)
    assert FrameFeatures(half, read, 1)[0].stride16.dtype == torch.bfloat16


def test_a_frame_that_cannot_be_read_leaves_the_cache_as_it_was(model):
    def read(index: int) -> torch.Tensor:
        if index == 1:
            raise ValueError("frame 1 is damaged")
        return torch.zeros(3, 64, 64)

    cache = FrameFeatures(model, read, 1)
    first = cache[0]
    with pytest.raises(ValueError, match="damaged"):
        cache[1]
    assert cache[0] is first
