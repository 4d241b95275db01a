"""Which memories a frame looks at, against the rules written out slowly; and what a stream may forget."""

from itertools import count, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masklet.tracking.memory_bank import MemoryBank, Selection
from masklet.tracking.policy import MemoryPolicy

frames = st.integers(0, 40)
policies = st.builds(
    MemoryPolicy,
    stride=st.integers(1, 3),
    max_conditioning_frames=st.one_of(st.none(), st.integers(2, 4)),
    all_conditioning_pointers=st.booleans(),
)


def bank_of(policy: MemoryPolicy, conditioning=(), tracked=()) -> MemoryBank[str, str]:
    """A bank whose maps and pointers say which frame they are of."""
    bank: MemoryBank[str, str] = MemoryBank(policy)
    for frame in sorted({*conditioning, *tracked}):
        bank.add(frame, f"map {frame}", f"pointer {frame}", conditioning=frame in set(conditioning))
    return bank


def seen(selection: Selection[str, str]) -> tuple[list[tuple[int, str]], list[tuple[int, str]], int]:
    """A selection, the order within it, which attention does not see, aside."""
    return sorted(selection.spatial), sorted(selection.pointers), selection.pointer_span


def expected(policy, conditioning, tracked, frame, reverse, num_frames):
    """The released predictors' rules. Frames of the past are counted in the direction of tracking."""
    conditioning = [t for t in conditioning if t != frame]
    chosen = set(conditioning)
    if policy.max_conditioning_frames is not None and len(chosen) > policy.max_conditioning_frames:
        before = [t for t in conditioning if t < frame]
        after = [t for t in conditioning if t > frame]
        chosen = {*before[-1:], *after[:1]}
        for t in sorted(conditioning, key=lambda t: (abs(t - frame), t)):
            if len(chosen) < policy.max_conditioning_frames:
                chosen.add(t)
    known = ({*conditioning, *tracked} - chosen) - {frame}
    step = 1 if reverse else -1
    on_grid = (t for t in count(frame + 2 * step, step) if t % policy.stride == 0)
    recent = [frame + step, *islice(on_grid, 5)]
    maps = [(6, f"map {t}") for t in chosen]
    maps += [(slot, f"map {t}") for slot, t in enumerate(recent) if t in known]
    far = 16 if num_frames is None else min(16, num_frames)
    pointing = set(conditioning) if policy.all_conditioning_pointers else chosen
    pointers = [(abs(frame - t), f"pointer {t}") for t in pointing if (t > frame if reverse else t < frame)]
    near = [(d, frame + step * d) for d in range(1, far)]
    pointers += [(d, f"pointer {t}") for d, t in near if t in known and t not in pointing]
    return sorted(maps), sorted(pointers), max(1, far - 1)


@settings(max_examples=400)
@given(policies, st.sets(frames, max_size=6), st.sets(frames), frames, st.booleans(), st.none() | st.integers(1, 41))
def test_a_frame_looks_at_what_the_rules_say(policy, conditioning, tracked, frame, reverse, num_frames):
    conditioning, tracked = sorted(conditioning), sorted(tracked - conditioning)
    selection = bank_of(policy, conditioning, tracked).select(frame, reverse=reverse, num_frames=num_frames)
    assert seen(selection) == expected(policy, conditioning, tracked, frame, reverse, num_frames)
    assert bool(selection) == bool(selection.spatial or selection.pointers)


def test_of_two_conditioning_frames_as_near_the_earlier_is_looked_at():
    """Whatever the order in which they came, so that a saved session goes on in the same way."""
    for order in ([23, 24, 25, 27], [27, 25, 24, 23]):
        bank: MemoryBank[str, str] = MemoryBank(MemoryPolicy(max_conditioning_frames=3))
        for frame in order:
            bank.add(frame, f"map {frame}", f"pointer {frame}", conditioning=True)
        assert seen(bank.select(25))[0] == [(6, "map 23"), (6, "map 24"), (6, "map 27")]


def test_a_frame_in_the_middle_of_a_long_video():
    """The rules once more, by hand: prompted on 0 and 9, now at 20."""
    selection = bank_of(MemoryPolicy(), [0, 9], range(30)).select(20)
    assert selection.spatial == (
        (6, "map 0"),
        (6, "map 9"),
        (5, "map 14"),
        (4, "map 15"),
        (3, "map 16"),
        (2, "map 17"),
        (1, "map 18"),
        (0, "map 19"),
    )
    assert selection.pointers[:2] == ((20, "pointer 0"), (11, "pointer 9"))
    assert [far for far, _ in selection.pointers[2:]] == [*range(1, 11), *range(12, 16)]
    assert selection.pointer_span == 15


def test_own_memory_and_future_pointers_only_on_request():
    bank = bank_of(MemoryPolicy(), [5, 8])
    assert seen(bank.select(5)) == ([(6, "map 8")], [], 15)
    assert seen(bank.select(5, own=True)) == ([(6, "map 5"), (6, "map 8")], [(0, "pointer 5")], 15)
    assert bank.select(5, future_pointers=True).pointers == ((-3, "pointer 8"),)
    assert bank.select(8, future_pointers=True, reverse=True).pointers == ((-3, "pointer 5"),)
    assert not bank_of(MemoryPolicy(), [5]).select(5)


def test_a_frame_itself_takes_no_place_among_those_it_looks_at():
    """A second click on a frame looks at what the first one looked at."""
    bank = bank_of(MemoryPolicy(max_conditioning_frames=2), [3, 5])
    first = bank.select(9)
    bank.add(9, "map 9", "pointer 9", conditioning=True)
    assert bank.select(9) == first
    assert [far for far, _ in bank.select(9, own=True).pointers] == [4, 0, 6]  # 5 and itself; 3 as an ordinary one


def test_a_frame_is_remembered_anew():
    bank = bank_of(MemoryPolicy(), [3], [4])
    bank.add(4, "new map", "new pointer", conditioning=True)
    assert bank.conditioning == {3, 4}
    assert (6, "new map") in bank.select(6).spatial
    bank.add(3, "map", "pointer", conditioning=False)
    assert bank.conditioning == {4}
    bank.remove(4)
    bank.remove(99)
    assert seen(bank.select(5)) == ([(1, "map")], [(2, "pointer")], 15)


@pytest.mark.parametrize("stride", [1, 2])
def test_clearing_around_a_frame_spares_conditioning_ones(stride):
    bank = bank_of(MemoryPolicy(stride=stride), [18, 20], range(41))
    bank.clear_around(20)
    reach = 7 * stride
    assert sorted(bank.pointers) == sorted(bank.features) == [*range(20 - reach), 18, 20, *range(21 + reach, 41)]


def test_clearing_around_a_frame_spares_it_and_those_that_are_to_be_kept():
    bank = bank_of(MemoryPolicy(), [0], range(1, 31))
    bank.clear_around(20, keep={14, 22})
    assert sorted(bank.features) == [*range(13), 14, 20, 22, 28, 29, 30]


@settings(max_examples=40)
@given(policies, st.sets(st.integers(0, 30), min_size=1, max_size=8), st.sets(st.integers(0, 30)))
def test_a_stream_may_forget_what_no_later_frame_looks_at(policy, conditioning, untracked):
    """Two banks fed alike, one of which forgets: they look the same to every later frame, at every moment."""
    whole, pruned = bank_of(policy), bank_of(policy)
    for frame in range(31):
        assert seen(pruned.select(frame)) == seen(whole.select(frame))
        if frame in conditioning or frame not in untracked:
            for bank in (whole, pruned):
                bank.add(frame, f"map {frame}", f"pointer {frame}", conditioning=frame in conditioning)
        pruned.forget(frame)
        for later in range(frame + 1, frame + 30, 7):
            assert seen(pruned.select(later)) == seen(whole.select(later))


@pytest.mark.parametrize("stride", [1, 2, 3, 5])
@pytest.mark.parametrize("limit", [None, 2])
def test_what_is_kept_is_bounded(stride, limit):
    prompted = [0, 30, 31]
    bank = bank_of(MemoryPolicy(stride=stride, max_conditioning_frames=limit))
    for frame in range(100):
        bank.add(frame, "", "", conditioning=frame in prompted)
        bank.forget(frame)
        assert len(bank.features.keys() - bank.conditioning) <= 6
        assert len(bank.pointers.keys() - bank.conditioning) <= 15
    assert bank.conditioning == set(prompted if limit is None else prompted[-2:])
    assert len(bank.features) == len(bank.conditioning) + 6
    assert len(bank.pointers) == len(bank.conditioning) + 15


def test_pointers_of_all_conditioning_frames_are_kept_where_they_count():
    policy = MemoryPolicy(max_conditioning_frames=2, all_conditioning_pointers=True)
    bank = bank_of(policy, [0, 10, 20, 90], range(91, 100))
    bank.forget(99)
    selection = bank.select(100)
    assert sorted(text for _, text in selection.spatial) == sorted(
        ["map 90", "map 20", *(f"map {t}" for t in range(94, 100))]
    )
    assert {"pointer 0", "pointer 10", "pointer 20", "pointer 90"} <= {text for _, text in selection.pointers}
    assert set(bank.features) == {20, 90, *range(94, 100)}, "maps that no frame looks at are not kept"
