"""Which names are held out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.training.data.split import in_part

SHARES = st.floats(0, 1)


@given(st.text(), SHARES)
def test_an_item_is_in_one_part_alone(name: str, held_out: float) -> None:
    assert in_part(name, held_out, "train") != in_part(name, held_out, "held_out")


@given(st.text(), SHARES, SHARES)
def test_a_larger_share_holds_out_more(name: str, first: float, second: float) -> None:
    if in_part(name, min(first, second), "held_out"):
        assert in_part(name, max(first, second), "held_out")


@given(st.text())
def test_the_ends(name: str) -> None:
    assert in_part(name, 0, "train")
    assert in_part(name, 1, "held_out")


def test_the_share_is_kept() -> None:
    names = [f"picture_{index:05d}" for index in range(10_000)]
    held_out = [name for name in names if in_part(name, 0.1, "held_out")]
    assert 900 < len(held_out) < 1100


def test_names_keep_their_part_for_ever() -> None:
    names = [f"frame{index}" for index in range(20)]
    assert [name for name in names if in_part(name, 0.2, "held_out")] == ["frame7", "frame13", "frame14", "frame19"]


def test_a_share_is_no_percentage() -> None:
    with pytest.raises(ValueError, match="0 to 1, not 10"):
        in_part("a", 10, "train")


def test_a_file_name_that_is_no_text() -> None:
    assert in_part(b"caf\xe9.jpg".decode("utf-8", "surrogateescape"), 1, "held_out")
