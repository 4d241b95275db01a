"""Shares of the stages, with a clock that a tiny model's parts move."""

import pytest
import torch

from masklet.evaluation.bench.stages import PREPROCESS, REST, STAGES, stage_shares, timed_stages
from masklet.evaluation.bench.works import encode_work, predict_work, video_work
from masklet.model import Sam2


class Ticks:
    """A clock that goes on by a second whenever it is read."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def test_shares_sum_to_one(remembering_model):
    for work in (encode_work(remembering_model), video_work(remembering_model, 2)):
        shares = stage_shares(remembering_model, work.run, prepare=work.prepare, repeats=2)
        assert list(shares) == [PREPROCESS, *STAGES, REST]
        assert sum(shares.values()) == pytest.approx(1)
        assert min(shares.values()) >= 0


def test_stages_are_where_the_time_goes(remembering_model):
    encode = stage_shares(remembering_model, encode_work(remembering_model).run)
    assert encode["trunk"] > 0
    assert encode["decoder"] > 0, "the decoder's projections of the image are of the encoding"
    assert encode["memory attention"] == encode["memory encoder"] == encode[PREPROCESS] == 0
    predict = stage_shares(remembering_model, predict_work(remembering_model).run)
    assert predict["decoder"] > 0
    assert predict["trunk"] == 0
    video = stage_shares(remembering_model, video_work(remembering_model, 1).run)
    assert all(video[stage] > 0 for stage in STAGES)


def test_shares_are_of_the_clock(remembering_model):
    # prepare takes one tick. In the work each of the four parts takes one and leaves one; the last read makes nine.
    work = encode_work(remembering_model)
    shares = stage_shares(remembering_model, work.run, prepare=work.prepare, clock=Ticks())
    assert shares == pytest.approx(
        {PREPROCESS: 1 / 9, "trunk": 1 / 9, "neck": 1 / 9, "decoder": 2 / 9, REST: 4 / 9}
        | {"memory attention": 0, "memory encoder": 0}
    )


def test_preprocessing_that_takes_longer_alone_leaves_nothing_to_the_rest(remembering_model):
    ticks = Ticks()
    shares = stage_shares(remembering_model, lambda: None, prepare=lambda: [ticks() for _ in range(5)], clock=ticks)
    assert shares[PREPROCESS] == 1
    assert shares[REST] == 0


def test_the_model_is_left_as_it_was(remembering_model):
    parts = list(remembering_model.named_modules())
    with pytest.raises(ZeroDivisionError), timed_stages(remembering_model):
        1 / (remembering_model.trunk is dict(parts)["trunk"])
    after = list(remembering_model.named_modules())
    assert [name for name, _ in after] == [name for name, _ in parts]
    assert all(new is old for (_, new), (_, old) in zip(after, parts, strict=True))


def test_numbers_stay_the_same(remembering_model: Sam2):
    size = remembering_model.config.image_size
    pixels = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    plain = remembering_model.encode_image(pixels)
    with timed_stages(remembering_model) as seconds:
        timed = remembering_model.encode_image(pixels)
    assert torch.equal(plain.stride16, timed.stride16)
    assert torch.equal(plain.stride4, timed.stride4)
    assert seconds["trunk"] > 0
