"""Which names are held out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.training.data.split import check_part, names_in_part

NAMES = st.lists(st.text(), unique=True, max_size=12)
SHARES = st.floats(0, 1)


@given(NAMES, SHARES)
def test_an_item_is_in_one_part_alone(names: list[str], share: float) -> None:
    train, held_out = (names_in_part(names, share, part) for part in ("train", "held_out"))
    assert not train & held_out
    assert train | held_out == set(names)


@given(NAMES, SHARES, SHARES)
def test_a_larger_share_holds_out_more(names: list[str], first: float, second: float) -> None:
    smaller, larger = sorted((first, second))
    assert names_in_part(names, smaller, "held_out") <= names_in_part(names, larger, "held_out")


@given(NAMES, st.floats(0, 1, exclude_min=True))
def test_of_several_one_is_always_held_out(names: list[str], share: float) -> None:
    assert len(names) < 2 or names_in_part(names, share, "held_out")


@given(NAMES)
def test_the_ends(names: list[str]) -> None:
    assert names_in_part(names, 0, "train") == set(names)
    assert names_in_part(names, 1, "held_out") == set(names)


def test_the_share_is_kept() -> None:
    names = [f"picture_{index:05d}" for index in range(10_000)]
    assert 900 < len(names_in_part(names, 0.1, "held_out")) < 1100


def test_names_keep_their_part_for_ever() -> None:
    names = [f"frame{index}" for index in range(20)]
    assert names_in_part(names, 0.2, "held_out") == {"frame7", "frame13", "frame14", "frame19"}
    assert names_in_part(names[:10], 0.2, "held_out") == {"frame7"}


def test_a_share_is_no_percentage() -> None:
    with pytest.raises(ValueError, match="0 to 1, not 10"):
        names_in_part(["a"], 10, "train")


def test_a_file_name_that_is_no_text() -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    assert names_in_part([name], 1, "held_out") == {name}


def test_settings_that_hold_out_what_there_is_not() -> None:
    check_part(0.2, "held_out")
    with pytest.raises(ValueError, match=r"held_out is 1, .* below 1"):
        check_part(1, "train")
    with pytest.raises(ValueError, match="part is 'val', but the parts are train and held_out"):
        check_part(0.2, "val")
