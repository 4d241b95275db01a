"""YAML as plain values, and single settings given beside it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.training.yaml_values import apply_override, parse_yaml, show, to_yaml

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(["5e-6", "1e5", "no", "~", "1_0", "0x1f", "2020-01-01", ".inf", "=", "<<"])
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@given(VALUES)
def test_what_is_written_is_read_as_the_same(value: Any) -> None:
    read = parse_yaml(to_yaml(value))
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "number"),
    [("5e-6", 5e-6), ("5E-6", 5e-6), ("1.5e-3", 1.5e-3), (".5e1", 5.0), ("-3.e+2", -300.0), ("1e3", 1000.0)],
)
def test_powers_of_ten_are_numbers(text: str, number: float) -> None:
    assert parse_yaml(text) == number


@pytest.mark.parametrize("text", ["e5", "5e", "0x5e-6", "a5e-6", "5e-6m"])
def test_what_only_looks_like_one_is_text(text: str) -> None:
    assert parse_yaml(text) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\na: 2", "line 2, column 1: a is there twice"),
        ("a: [1,", "line 1"),
        ("a: b: c", "line 1"),
        ("a: 2021-02-31", "day"),
        ("a: \0", "null|character"),
    ],
)
def test_errors_say_where(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_yaml(text)


def test_aliases_are_copies() -> None:
    values = parse_yaml("a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n  e: 2")
    values["a"]["b"] = 5
    assert values == {"a": {"b": 5}, "c": {"b": 1}, "d": {"b": 1, "e": 2}}


@pytest.mark.parametrize(
    ("override", "path", "changed"),
    [
        ("a=2", "a", {"a": 2, "b": [{"c": 1}]}),
        ("a=1e-4", "a", {"a": 1e-4, "b": [{"c": 1}]}),
        ("a=x=y", "a", {"a": "x=y", "b": [{"c": 1}]}),
        ("a=", "a", {"a": None, "b": [{"c": 1}]}),
        ("a=[1, {d: 2}]", "a", {"a": [1, {"d": 2}], "b": [{"c": 1}]}),
        ("b.0.c=true", "b[0].c", {"a": 1, "b": [{"c": True}]}),
        ("b[0].c=true", "b[0].c", {"a": 1, "b": [{"c": True}]}),
        ("b.1.c=2", "b[1].c", {"a": 1, "b": [{"c": 1}, {"c": 2}]}),
        ("d.e.f=2", "d.e.f", {"a": 1, "b": [{"c": 1}], "d": {"e": {"f": 2}}}),
        ("d.0.f=2", "d[0].f", {"a": 1, "b": [{"c": 1}], "d": [{"f": 2}]}),
    ],
)
def test_overrides(override: str, path: str, changed: dict[str, Any]) -> None:
    values = {"a": 1, "b": [{"c": 1}]}
    assert apply_override(values, override) == path
    assert values == changed


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("a", "NAME=VALUE"),
        ("=3", "NAME=VALUE"),
        ("a..b=3", "NAME=VALUE"),
        ("a=[", "no YAML"),
        ("a.b=3", "part of a, which is 1"),
        ("b.2.c=3", "item 2 of b, a list with items 0 to 0"),
        ("b.c=3", r"item c of b, .*: write b\.NUMBER"),
    ],
)
def test_overrides_that_lead_nowhere(override: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        apply_override({"a": 1, "b": [{"c": 1}]}, override)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), (2.5, "2.5"), ("a", "'a'"), ([1, {"b": 2}], "[1, {b: 2}]")],
)
def test_values_are_shown_as_they_are_written(value: Any, text: str) -> None:
    assert show(value) == text


def test_long_values_are_cut() -> None:
    assert len(show(list(range(1000)))) <= 80
