import pytest
import torch

from masklet.checkpoint.layouts import State, from_native
from masklet.checkpoint.names import Layout
from masklet.compat.transformers.config import Sam2Config, Sam2HieraDetConfig, Sam2VideoConfig, Sam2VisionConfig
from masklet.compat.transformers.share import SHARES
from masklet.config import ModelConfig
from masklet.model import Sam2

VIDEO, IMAGE, VISION, TRUNK = (
    SHARES[kind] for kind in (Sam2VideoConfig, Sam2Config, Sam2VisionConfig, Sam2HieraDetConfig)
)


@pytest.fixture(scope="module")
def native(tiny: ModelConfig) -> State:
    with torch.random.fork_rng():
        return Sam2(tiny).state_dict()


@pytest.fixture(scope="module")
def whole(native: State) -> State:
    return from_native(native, Layout.HF_VIDEO)


def test_each_share_is_taken_out_of_a_larger_one(whole: State):
    image, vision, trunk = (share.take_from(whole) for share in (IMAGE, VISION, TRUNK))
    assert VIDEO.take_from(whole) == whole
    assert whole.keys() > image.keys() > vision.keys() > trunk.keys()
    assert "no_memory_embedding" in image
    assert not any(name.startswith(("memory_", "object_pointer_proj")) for name in image)
    bare = {name.removeprefix("vision_encoder."): tensor for name, tensor in vision.items()}
    assert VISION.take_from(bare) == vision
    assert TRUNK.take_from(bare) == trunk
    barer = {name.removeprefix("backbone."): tensor for name, tensor in bare.items() if name.startswith("backbone.")}
    assert TRUNK.take_from(barer) == trunk
    with pytest.raises(ValueError, match=r"still-image parts .* take Sam2Model"):
        VIDEO.take_from(image)


@pytest.mark.parametrize("share", SHARES.values())
def test_names_there_and_back(share, native: State):
    parts = [*share.parts] or [name.partition(".")[0] for name in native]
    state = {name: tensor for name, tensor in native.items() if name.partition(".")[0] in parts}
    if share is IMAGE:
        state = {name: state[name] for name in share.to_native(share.from_native(state))}
    theirs = share.from_native(state)
    again = share.to_native(theirs)
    assert again.keys() == state.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())
    assert {known for name in state for known in share.names_of(name)} <= theirs.keys()


def test_unknown_names_stay():
    assert IMAGE.names_of("no.such.tensor") == ["no.such.tensor"]
    assert TRUNK.names_of("trunk.position") == ["pos_embed"]
    assert len(IMAGE.names_of("prompt_encoder.labels")) == 2
