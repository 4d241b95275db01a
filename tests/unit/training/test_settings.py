"""Plain values become dataclasses, and all that is wrong is told."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from masklet.training.settings import SettingsReader, describe, parse_leaf, to_plain


@dataclass(frozen=True, kw_only=True)
class Inner:
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"low is {self.low}, above high")


@dataclass(frozen=True, kw_only=True)
class Outer:
    number: int
    inner: Inner = field(default_factory=lambda: Inner(low=0.5))
    other: Inner | None = None
    kind: Literal["fast", "slow"] = "slow"
    class_: float = 1.0
    file: Path | None = None
    folder: Path = Path("default")


def read(values: Any, tmp_path: Path = Path()) -> tuple[Outer | None, list[str]]:
    reader = SettingsReader(lambda path: tmp_path)
    return reader.read(Outer, values, ""), reader.problems


def test_what_is_not_said_stays(tmp_path: Path) -> None:
    found, problems = read({"number": 3, "inner": {"high": 2}, "other": {"high": 3}, "class": 4}, tmp_path)
    assert not problems
    assert found == Outer(number=3, inner=Inner(low=0.5, high=2.0), other=Inner(high=3.0), class_=4.0)


def test_a_section_with_all_of_it_commented_out_is_that_of_defaults() -> None:
    assert read({"number": 3, "inner": None, "other": None}) == (Outer(number=3), [])


def test_all_that_is_wrong_is_told() -> None:
    values = {
        "numbr": 3,
        "inner": {"low": 3.0},
        "other": [1],
        "kind": "sloww",
        "class": True,
        "class_": 1.0,
    }
    found, problems = read(values)
    assert found is None
    assert sorted(problems) == [
        "class is true, but it must be a number",
        "class_ is no setting: did you mean class?",
        "inner: low is 3.0, above high",
        "kind is 'sloww', but it must be one of fast, slow (did you mean slow?)",
        "number is missing: it must be a whole number",
        "numbr is no setting: did you mean number?",
        "other is [1], but it must be a mapping of settings (low, high)",
    ]


def test_paths_start_from_their_base(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    found, _ = read({"number": 1, "file": "photos"}, tmp_path)
    assert found is not None
    assert found.file == tmp_path / "photos"
    assert found.folder == Path("default")


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    _, problems = read({"number": 1, "file": "photo"}, tmp_path)
    assert problems == [f"file is photo, but there is no {tmp_path / 'photo'} (did you mean photos?)"]


def test_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    found, _ = read({"number": 1, "file": "~"})
    assert found is not None
    assert found.file == tmp_path
    _, (problem,) = read({"number": 1, "file": "~nobody-at-all/x"})
    assert problem.startswith("file is ~nobody-at-all/x, but")


@pytest.mark.parametrize(
    ("hint", "value", "found"),
    [
        (float, 1, 1.0),
        (int | None, None, None),
        (float, float("inf"), float("inf")),
        (tuple[float, float], [1, 2.5], (1.0, 2.5)),
        (tuple[str, ...], ["a"], ("a",)),
        (dict[str, float], {"a.*": 0}, {"a.*": 0.0}),
        (Path, "a/b", Path("a/b")),
        (int | Literal["auto"], "auto", "auto"),
    ],
)
def test_values_of_a_type(hint: Any, value: Any, found: Any) -> None:
    assert parse_leaf(hint, value) == found
    assert type(parse_leaf(hint, value)) is type(found)


@pytest.mark.parametrize(
    ("hint", "value", "words"),
    [
        (bool, 1, "true or false"),
        (bool, "true", "true or false"),
        (int, True, "a whole number"),
        (int, 2.0, "a whole number"),
        (int, "2", "a whole number"),
        (float, "fast", "a number"),
        (float, float("nan"), "a number"),
        (str, 3, "text"),
        (Path, 3, "a path"),
        (int | None, "x", "a whole number or null"),
        (tuple[float, float], [1], "a list of 2 numbers"),
        (tuple[str, ...], "abc", "a list of texts"),
        (dict[str, float], {"a": "b"}, "a mapping from texts to numbers"),
        (int | Literal["auto"], "many", "a whole number or auto"),
    ],
)
def test_values_of_another_type(hint: Any, value: Any, words: str) -> None:
    (problem,) = _problems_of(hint, value)
    assert problem.endswith(f"but it must be {words}")
    assert describe(hint) == words


def _problems_of(hint: Any, value: Any) -> list[str]:
    made = dataclass(kw_only=True)(type("Made", (), {"__annotations__": {"x": hint}}))
    reader = SettingsReader(lambda path: Path.cwd())
    assert reader.read(made, {"x": value}, "") is None
    return reader.problems


def test_plain_values_are_read_as_the_same(tmp_path: Path) -> None:
    before = Outer(number=2, other=Inner(low=0.25), file=tmp_path, folder=tmp_path)
    assert to_plain(before)["class"] == 1.0
    assert read(to_plain(before)) == (before, [])
