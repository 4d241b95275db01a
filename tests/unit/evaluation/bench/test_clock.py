"""Medians, quartiles and turns, with a clock that stands in for a real one."""

from collections.abc import Callable
from itertools import accumulate

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from masklet.evaluation.bench.clock import (
    MAX_TURNS,
    MIN_SECONDS,
    Timing,
    interleave,
    measure,
    num_warm_ups,
    synchronise,
    time_once,
)


class FakeClock:
    """Stands still but for the seconds that works say they take."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def work(self, *seconds: float) -> Callable[[], None]:
        """Takes one time after the other, the last one from then on."""
        left = list(seconds)

        def run() -> None:
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return run


@pytest.mark.parametrize(
    ("seconds", "median", "quartiles"),
    [((3.0,), 3, (3, 3)), ((1.0, 3.0), 2, (1.5, 2.5)), ((9.0, 1.0, 2.0, 3.0, 4.0), 3, (2, 4))],
)
def test_median_and_quartiles(seconds, median, quartiles):
    timing = Timing(seconds=seconds)
    assert timing.median == median
    assert timing.quartiles == quartiles


@given(st.lists(st.floats(1e-6, 1e4), min_size=1, max_size=30))
def test_the_median_lies_between_the_quartiles(seconds):
    timing = Timing(seconds=tuple(seconds))
    lower, upper = timing.quartiles
    assert min(seconds) <= lower <= timing.median <= upper <= max(seconds)


def test_warm_ups_do_not_count():
    clock = FakeClock()
    timing = measure(clock.work(100.0, 1.0, 7.0, 2.0), repeats=3, clock=clock)
    assert timing.seconds == pytest.approx((1, 7, 2))
    assert timing.median == pytest.approx(2)


def test_as_many_warm_ups_as_upstream_has():
    assert [num_warm_ups(repeats) for repeats in (1, 5, 20)] == [1, 1, 5]


def test_works_take_turns():
    clock, order = FakeClock(), []
    second = clock.work(1.0)
    works = {name: lambda name=name: (order.append(name), second()) for name in "ab"}
    timings = interleave(works, repeats=2, clock=clock)
    assert order == list("ab" * 3)
    assert {name: timing.seconds for name, timing in timings.items()} == {"a": (1, 1), "b": (1, 1)}


def test_short_works_are_run_until_they_have_taken_a_while():
    clock = FakeClock()
    assert len(measure(clock.work(MIN_SECONDS / 8), repeats=2, clock=clock).seconds) == 8
    assert len(measure(clock.work(0.0), repeats=2, clock=clock).seconds) == MAX_TURNS


@pytest.mark.parametrize("repeats", [0, -1])
def test_no_repeats(repeats):
    with pytest.raises(ValueError, match=f"repeats is {repeats}"):
        measure(lambda: None, repeats=repeats)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=5))
def test_one_run_takes_what_the_clock_says(seconds):
    clock = FakeClock()
    work = clock.work(*seconds)
    taken = [time_once(work, "cpu", clock) for _ in seconds]
    assert list(accumulate(taken)) == pytest.approx(list(accumulate(seconds)))


@pytest.mark.gpu
def test_a_gpu_is_waited_for():
    x = torch.randn(8192, 8192, device="cuda")
    synchronise("cuda")
    waited = measure(lambda: x @ x, repeats=5, device="cuda").median
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    x @ x
    end.record()
    end.synchronize()
    assert waited * 1000 > start.elapsed_time(end) / 2
