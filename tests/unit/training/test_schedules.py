"""Tables of factors through a run."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.training.schedules import ScheduleConfig

PLACES = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        (ScheduleConfig(kind="constant"), (1, 1, 1, 1, 1)),
        (ScheduleConfig(kind="constant", warmup=0.5), (0, 0.5, 1, 1, 1)),
        (ScheduleConfig(kind="constant", descent=0.5), (1, 1, 1, 0.5, 0)),
        (ScheduleConfig(kind="constant", warmup=0.5, descent=0.5), (0, 0.5, 1, 0.5, 0)),
        (ScheduleConfig(kind="linear", end=0), (1, 0.75, 0.5, 0.25, 0)),
        (ScheduleConfig(kind="linear", end=0.5), (1, 0.875, 0.75, 0.625, 0.5)),
        (ScheduleConfig(kind="linear", end=0.2, warmup=0.5), (0, 0.5, 1, 0.6, 0.2)),
        (ScheduleConfig(kind="cosine", end=0), (1, 0.5 + math.sqrt(0.125), 0.5, 0.5 - math.sqrt(0.125), 0)),
        (ScheduleConfig(kind="cosine", end=0.1, warmup=0.5), (0, 0.5, 1, 0.55, 0.1)),
    ],
)
def test_factors_through_a_run(schedule: ScheduleConfig, factors: tuple[float, ...]) -> None:
    assert [schedule.factor(where) for where in PLACES] == pytest.approx(list(factors), abs=1e-12)


def test_published_schedule_falls_to_a_tenth() -> None:
    rates = [5e-6 * ScheduleConfig().factor(where) for where in PLACES]
    assert rates == pytest.approx([5e-6, 4.34099e-6, 2.75e-6, 1.15901e-6, 5e-7], rel=1e-5)


SCHEDULES = st.one_of(
    st.builds(
        ScheduleConfig,
        kind=st.sampled_from(("linear", "cosine")),
        end=st.floats(0, 1),
        warmup=st.floats(0, 0.99),
    ),
    st.builds(ScheduleConfig, kind=st.just("constant"), warmup=st.floats(0, 0.5), descent=st.floats(0, 0.5)),
)


@given(SCHEDULES, st.floats(0, 1))
def test_factors_are_shares(schedule: ScheduleConfig, where: float) -> None:
    assert -1e-9 <= schedule.factor(where) <= 1 + 1e-9


@given(SCHEDULES, st.lists(st.floats(0, 1), min_size=2, max_size=2).map(sorted))
def test_after_the_warm_up_nothing_rises(schedule: ScheduleConfig, places: list[float]) -> None:
    early, late = (max(place, schedule.warmup) for place in places)
    assert schedule.factor(late) <= schedule.factor(early) + 1e-9


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "step"}, "kind is 'step', but the kinds of schedule are constant, linear, cosine"),
        ({"end": 2}, "end is 2, but the factor at the end is from 0 to 1"),
        ({"warmup": 200}, "warmup is 200, but it is a share of the run"),
        ({"descent": 0.1}, "belongs to a constant schedule: a cosine one falls all the way"),
        ({"kind": "constant", "warmup": 0.6, "descent": 0.6}, "more than the whole run"),
    ],
)
def test_a_schedule_that_cannot_be(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ScheduleConfig(**values)
