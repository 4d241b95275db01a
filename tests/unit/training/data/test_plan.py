from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.training.data.plan import Plan, PlannedSource

sources = st.lists(
    st.builds(PlannedSource, num_items=st.integers(1, 30), batch_size=st.integers(1, 6)), min_size=1, max_size=4
)
weighted = st.lists(
    st.builds(
        PlannedSource,
        num_items=st.integers(1, 30),
        weight=st.sampled_from([0.1, 1 / 3, 1, 2.5, 7]) | st.floats(0.01, 9),
    ),
    min_size=1,
    max_size=4,
)
world_sizes = st.integers(1, 4)
seeds = st.integers(0, 2**32)


@given(planned=sources, world_size=world_sizes, seed=seeds)
def test_every_item_is_taken_once_before_any_twice(planned: list[PlannedSource], world_size: int, seed: int):
    plan = Plan(planned, seed)
    taken: dict[int, list[int]] = {}
    for step in range(60):
        # The processes' parts, one after the other, continue the source's row of items.
        for rank in range(world_size):
            batch = plan.batch(step, rank, world_size)
            assert batch.source == plan.source(step)
            assert len(batch.items) == planned[batch.source].batch_size
            taken.setdefault(batch.source, []).extend(batch.items)
    for source, items in taken.items():
        size = planned[source].num_items
        for start in range(0, len(items) - size + 1, size):
            assert sorted(items[start : start + size]) == list(range(size))
        rest = items[len(items) // size * size :]
        assert len(set(rest)) == len(rest)


@given(planned=sources, world_size=world_sizes, seed=seeds, steps=st.lists(st.integers(0, 10**6), max_size=6))
def test_a_step_depends_on_nothing_before_it(
    planned: list[PlannedSource], world_size: int, seed: int, steps: list[int]
):
    used = Plan(planned, seed)
    for step in steps:
        batches = [used.batch(step, rank, world_size) for rank in range(world_size)]
        assert batches[::-1] == [Plan(planned, seed).batch(step, rank, world_size) for rank in range(world_size)][::-1]
        assert len({batch.source for batch in batches}) == 1


@given(planned=weighted, seed=seeds)
def test_sources_come_as_often_as_they_weigh(planned: list[PlannedSource], seed: int):
    plan, counts = Plan(planned, seed), Counter[int]()
    total = sum(source.weight or 0 for source in planned)
    for step in range(200):
        counts[plan.batch(step).source] += 1
        for number, source in enumerate(planned):
            wanted = (step + 1) * (source.weight or 0) / total
            assert abs(counts[number] - wanted) <= 0.5 * (number + 1) + 1e-6


@given(planned=sources, world_size=world_sizes)
def test_an_epoch_goes_once_through_each_source(planned: list[PlannedSource], world_size: int):
    plan = Plan(planned)
    steps = plan.steps_per_epoch(world_size)
    counts = Counter(plan.batch(step).source for step in range(steps))
    for number, source in enumerate(planned):
        passes = counts[number] * source.batch_size * world_size / source.num_items
        slack = source.batch_size * world_size / source.num_items * (len(planned) / 2 + 1)
        assert abs(passes - 1) <= slack


def test_sources_are_interleaved_and_passes_differ():
    plan = Plan([PlannedSource(num_items=6, weight=2), PlannedSource(num_items=6, weight=1)], 0)
    turns = "".join(str(plan.batch(step).source) for step in range(9))
    assert turns == "010010010"
    row = [plan.batch(step).items[0] for step in range(54) if plan.batch(step).source == 0]
    passes = [tuple(row[start : start + 6]) for start in range(0, 36, 6)]
    assert len(set(passes)) == len(passes)
    other = Plan(plan.sources, 1)
    assert [other.batch(step).items for step in range(9)] != [plan.batch(step).items for step in range(9)]


def test_an_epoch_that_does_not_come_out_even_is_rounded_up():
    assert Plan([PlannedSource(num_items=2 * 1246)]).steps_per_epoch(8) == 312


def test_what_cannot_be_planned_is_named():
    with pytest.raises(ValueError, match="no source to learn from"):
        Plan([])
    with pytest.raises(ValueError, match="1 of 2 sources have a weight"):
        Plan([PlannedSource(num_items=1, weight=1.0), PlannedSource(num_items=1)])
    for wrong in ({"num_items": 0}, {"num_items": 3, "batch_size": 0}, {"num_items": 3, "weight": 0.0}):
        name = list(wrong)[-1]
        with pytest.raises(ValueError, match=f"{name} is {wrong[name]}"):
            PlannedSource(**wrong)
    with pytest.raises(ValueError, match="weight is nan"):
        PlannedSource(num_items=3, weight=float("nan"))
    with pytest.raises(ValueError, match="no batch of step 0, process 2 of 2"):
        Plan([PlannedSource(num_items=3)]).batch(0, 2, 2)
