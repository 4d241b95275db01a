"""Charts: well-formed, inside their frame and with round ticks, whatever the curves hold."""

import math
import re
from collections.abc import Sequence
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from masklet.evaluation.page import Chart, Curve
from masklet.evaluation.svg import (
    BOTTOM,
    DARK,
    LEFT,
    LIGHT,
    MAX_POINTS,
    MAX_TICKS,
    MAX_TITLED,
    RIGHT,
    TOP,
    curve_colours,
    curve_variable,
    dashes,
    draw_chart,
    format_number,
    round_ticks,
    span,
    thin,
)
from masklet.io.colours import PALETTE

VALUES = st.floats(-1e12, 1e12)
ANY = st.floats() | VALUES


def chart(*curves: Curve, y_range: tuple[float, float] | None = None) -> Chart:
    return Chart(title="J & F", x_label="frame", y_label="J", curves=curves, y_range=y_range)


def curve(y: Sequence[float], name: str = "goat") -> Curve:
    return Curve(name=name, x=range(len(y)), y=y)


def lines(svg: str) -> list[str]:
    """What the curves' paths draw."""
    tree = ElementTree.fromstring(svg)
    return [group[0].get("d", "") for group in tree.iter("g") if group.get("class", "").startswith("curve")]


def points(line: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", line)]


def test_a_curve_goes_from_corner_to_corner() -> None:
    (line,) = lines(draw_chart(chart(curve([0, 50, 100]))))
    assert points(line) == [(LEFT, BOTTOM), ((LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2), (RIGHT, TOP)]


def test_a_given_range_is_kept() -> None:
    svg = draw_chart(chart(curve([25, 75]), y_range=(0, 100)))
    (line,) = lines(svg)
    assert [y for _, y in points(line)] == [BOTTOM - (BOTTOM - TOP) / 4, TOP + (BOTTOM - TOP) / 4]
    assert ">100<" in svg


def test_gaps_are_gaps() -> None:
    (line,) = lines(draw_chart(chart(curve([1, 2, math.nan, math.inf, 3, 4, 5]))))
    assert [part.count("L") for part in line.split("M")[1:]] == [1, 2]


def test_a_point_alone_is_seen() -> None:
    (line,) = lines(draw_chart(chart(curve([math.nan, 2, math.nan]))))
    assert line.endswith("h0")


@pytest.mark.parametrize("y", [[], [3.0], [2.0, 2.0, 2.0], [0.0, 0.0], [math.nan], [-5.0, -5.0]])
def test_little_data_gives_a_chart(y: list[float]) -> None:
    svg = draw_chart(chart(curve(y)))
    assert "nan" not in svg
    for x, height in points("".join(lines(svg))):
        assert LEFT <= x <= RIGHT
        assert TOP <= height <= BOTTOM


def test_no_curves_give_a_chart() -> None:
    assert "nothing" in draw_chart(chart())


def test_names_are_escaped_and_told() -> None:
    svg = draw_chart(chart(curve([0.5, 1], name='<a> & "b"')))
    tree = ElementTree.fromstring(svg)
    assert tree.get("role") == "img"
    assert '<a> & "b"' in tree.get("aria-label", "")
    assert [title.text for title in tree.iter("title")] == ['<a> & "b": frame 0, J 0.500', '<a> & "b": frame 1, J 1']


@given(st.lists(st.tuples(ANY, ANY), max_size=20))
def test_any_values_give_a_drawing_without_nonsense(values: list[tuple[float, float]]) -> None:
    finite = [(x, y) for x, y in values if abs(x) <= 1e12 and abs(y) <= 1e12]
    given_values = [pair if pair in finite else (math.nan, math.inf) for pair in values]
    drawn = Curve(name="any", x=[x for x, _ in given_values], y=[y for _, y in given_values])
    svg = draw_chart(chart(drawn))
    ElementTree.fromstring(svg)
    drawn_points = points("".join(lines(svg)))
    assert len(drawn_points) == len(finite)
    for x, y in drawn_points:
        assert LEFT - 0.1 <= x <= RIGHT + 0.1
        assert TOP - 0.1 <= y <= BOTTOM + 0.1


@given(VALUES, VALUES)
@example(2.2250738585e-313, 2.2250738585e-313)
@example(-1464115.1063035398, -1464115.1758034446)
def test_ticks_are_round_few_and_inside(one: float, other: float) -> None:
    low, high = span([one, other])
    ticks = round_ticks(low, high)
    assert 1 <= len(ticks) <= MAX_TICKS + 1
    margin = (high - low) * 1e-3
    for tick in ticks:
        assert low - margin <= tick <= high + margin
    if len(ticks) > 1:
        step = (ticks[-1] - ticks[0]) / (len(ticks) - 1)
        leading = step / 10 ** math.floor(math.log10(step * (1 + 1e-9)))
        assert min(abs(leading - digit) for digit in (1, 2, 5)) < 1e-3


def test_ticks_as_people_expect_them() -> None:
    assert round_ticks(0, 100) == [0, 20, 40, 60, 80, 100]
    assert round_ticks(0, 1) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert round_ticks(1, 8) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert round_ticks(1, 3, 1.0) == [1, 2, 3]


def test_counts_have_no_ticks_between_them() -> None:
    svg = draw_chart(chart(Curve(name="few", x=[1, 2, 3], y=[0, 1, 2])))
    assert ">1.5<" not in svg.split('class="labels"')[0].split('text-anchor="middle"', 1)[1]


@given(st.lists(VALUES, max_size=5))
def test_a_span_is_never_nothing(values: list[float]) -> None:
    low, high = span(values)
    assert low < high
    assert all(low <= value <= high for value in values)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (56.53, None, "56.5"),
        (0.5883, None, "0.588"),
        (7, None, "7"),
        (56.53, 0, "57"),
        (-2.5, 1, "\N{MINUS SIGN}2.5"),
        (-0.01, 1, "0.0"),
        (math.nan, None, "\N{EN DASH}"),
        (math.inf, 1, "\N{EN DASH}"),
    ],
)
def test_numbers_are_for_people(value: float, decimals: int | None, text: str) -> None:
    assert format_number(value, decimals) == text


def test_long_curves_stay_small_and_keep_their_extremes() -> None:
    y = [50.0 + (index % 7) for index in range(50_000)]
    y[31_234], y[47] = 3.0, 99.0
    kept = thin(list(enumerate(y)))
    assert len(kept) <= MAX_POINTS + 2
    assert kept[0] == (0, 50.0)
    assert kept[-1] == (49_999, y[-1])
    assert {(31_234, 3.0), (47, 99.0)} <= set(kept)
    svg = draw_chart(chart(curve(y)))
    assert svg.count("<title>") <= MAX_TITLED
    assert len(svg) < 60_000


def test_colours_stand_out_and_later_curves_have_dashes() -> None:
    for background in (LIGHT, DARK):
        colours = curve_colours(background)
        assert len(set(colours)) == len(PALETTE)
        assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours)
    assert curve_colours(LIGHT)[1] == curve_colours(DARK)[1] == "#1e90ff"
    assert curve_colours(LIGHT)[4] != curve_colours(DARK)[4] == "#f0e442"
    assert curve_variable(len(PALETTE)) == curve_variable(0)
    assert dashes(0) == ""
    assert "dasharray" in dashes(len(PALETTE))
