"""Charts as SVG, to stand in a page: axes with round ticks, curves, and each point's values where the mouse is.

There are no ids and no styles of their own in them, so that any number may stand in one page; curve `i` has the colour
of the CSS variable `--curve-i`.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from masklet.evaluation.page import Chart, Curve
from masklet.io.colours import PALETTE

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 76, 624, 12, 258
"""Where the plot lies in the drawing. The margins have room for letters that are larger on small screens."""

MAX_TICKS = 8
MAX_DOTS = 30
"""A curve of so few points shows them."""
MAX_TITLED = 150
"""Of a longer curve only some points tell their values."""
MAX_POINTS = 1200
"""A longer curve is drawn through the least and the greatest values of its parts: there are no more pixels."""
CLEARANCE = 6
"""Pixels around the plot in which lines and dots at its edge are still seen whole."""

LIGHT, DARK = (255, 255, 255), (24, 27, 32)
"""What curves are drawn on in either theme."""
MIN_CONTRAST = 3.0
"""What WCAG 2.1 asks of graphics."""


@dataclass(frozen=True)
class Axis:
    """Values from low to high, drawn from the pixel `start` to the pixel `end`, with ticks at round values."""

    low: float
    high: float
    start: float
    end: float
    ticks: list[float]

    def place(self, value: float) -> float:
        """The pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def draw_chart(chart: Chart) -> str:
    """A chart as an <svg> element, without its title and its legend. Values that are not finite leave a gap."""
    xs = [x for curve in chart.curves for x, _ in _finite(curve)]
    ys = [y for curve in chart.curves for _, y in _finite(curve)]
    whole = all(float(x).is_integer() for x in xs)
    x_low, x_high = span(xs)
    x_axis = Axis(x_low, x_high, LEFT, RIGHT, round_ticks(x_low, x_high, 1.0 if whole else 0.0))
    y_low, y_high = span(chart.y_range or ys)
    if chart.y_range is None:
        y_low, y_high = _outward(y_low, y_high)
    y_axis = Axis(y_low, y_high, BOTTOM, TOP, round_ticks(y_low, y_high))
    names = ", ".join(curve.name for curve in chart.curves)
    label = escape(f"{chart.title}. {chart.y_label} by {chart.x_label}: {names or 'nothing'}")
    curves = "".join(_draw_curve(curve, index, chart, x_axis, y_axis) for index, curve in enumerate(chart.curves))
    left, top = LEFT - CLEARANCE, TOP - CLEARANCE
    width, height = RIGHT - LEFT + 2 * CLEARANCE, BOTTOM - TOP + 2 * CLEARANCE
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f"{_draw_axes(chart, x_axis, y_axis)}"
        # An <svg> in an <svg> hides what lies outside it.
        f'<svg x="{left}" y="{top}" width="{width}" height="{height}" viewBox="{left} {top} {width} {height}">'
        f"{curves}</svg></svg>"
    )


NOTHING = 1e-9
"""A constant as small as this is drawn as 0: about it no round numbers can be told apart."""


def span(values: Iterable[float]) -> tuple[float, float]:
    """The least and the greatest value, made to differ; 0 and 1 of none."""
    known = [float(value) for value in values]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    size = max(abs(low), abs(high))
    if high - low > 1e-6 * max(size, NOTHING):  # less is rounding, which has no round ticks
        return low, high
    margin = size / 10 if size > NOTHING else 0.5
    return low - margin, high + margin


def round_ticks(low: float, high: float, min_step: float = 0.0) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten that lie in a range, at most about eight."""
    step = max(_round_step(high - low), min_step)
    return [number * step for number in range(math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6) + 1)]


def _round_step(length: float) -> float:
    power = 10.0 ** math.floor(math.log10(length / MAX_TICKS))
    return next(power * factor for factor in (1, 2, 5, 10, 20) if length / (power * factor) <= MAX_TICKS)


def _outward(low: float, high: float) -> tuple[float, float]:
    """The range from tick to tick that holds this one."""
    step = _round_step(high - low)
    return math.floor(low / step + 1e-6) * step, math.ceil(high / step - 1e-6) * step


def format_number(value: float, decimals: int | None = None) -> str:
    """A number for people: whole ones as they are, shares with three decimals, others with one, unless told."""
    if not math.isfinite(value):
        return "\N{EN DASH}"
    if decimals is None:
        decimals = 0 if float(value).is_integer() else 3 if abs(value) <= 1 else 1
    text = f"{value:.{decimals}f}"
    return text.replace("-", "\N{MINUS SIGN}") if float(text) else text.removeprefix("-")


def _draw_axes(chart: Chart, x_axis: Axis, y_axis: Axis) -> str:
    lines = "".join(f'<path d="M{LEFT} {y_axis.place(tick):.1f}H{RIGHT}"/>' for tick in y_axis.ticks)
    stubs = "".join(f'<path d="M{x_axis.place(tick):.1f} {BOTTOM}v5"/>' for tick in x_axis.ticks)
    parts = [f'<g class="grid" fill="none" stroke="currentColor">{lines}{stubs}</g><g class="ticks">']
    for tick, text in zip(y_axis.ticks, _tick_texts(y_axis.ticks), strict=True):
        parts.append(f'<text x="{LEFT - 9}" y="{y_axis.place(tick):.1f}" dy=".35em" text-anchor="end">{text}</text>')
    for tick, text in zip(x_axis.ticks, _tick_texts(x_axis.ticks), strict=True):
        parts.append(f'<text x="{x_axis.place(tick):.1f}" y="{BOTTOM + 23}" text-anchor="middle">{text}</text>')
    middle_x, middle_y = (LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2
    parts.append(
        f'</g><g class="labels"><text x="{middle_x}" y="{HEIGHT - 10}" text-anchor="middle">{escape(chart.x_label)}'
        f'</text><text transform="translate(16 {middle_y}) rotate(-90)" text-anchor="middle">{escape(chart.y_label)}'
        "</text></g>"
    )
    return "".join(parts)


def _tick_texts(ticks: Sequence[float]) -> list[str]:
    """Ticks with as many decimals as their step needs; very large and very small ones in powers of ten."""
    if not ticks:
        return []
    step = min((after - before for before, after in pairwise(ticks)), default=abs(ticks[0]) or 1.0)
    if max(map(abs, ticks)) >= 1e6 or step < 1e-4:
        return [f"{tick:.3g}" for tick in ticks]
    decimals = max(0, -math.floor(math.log10(step) + 1e-6))
    return [format_number(tick, decimals) for tick in ticks]


def _draw_curve(curve: Curve, index: int, chart: Chart, x_axis: Axis, y_axis: Axis) -> str:
    points = _finite(curve)
    line = "".join(
        f"M{'L'.join(f'{x_axis.place(x):.1f} {y_axis.place(y):.1f}' for x, y in thin(run))}{'h0' * (len(run) == 1)}"
        for run in _runs(curve)
    )
    step = math.ceil(len(points) / MAX_TITLED) or 1
    dots = "".join(
        f'<circle cx="{x_axis.place(x):.1f}" cy="{y_axis.place(y):.1f}" r="3.5"><title>'
        f"{escape(curve.name)}: {escape(chart.x_label)} {format_number(x)}, "
        f"{escape(chart.y_label)} {format_number(y)}</title></circle>"
        for x, y in points[::step]
    )
    kind = "curve dotted" if len(points) <= MAX_DOTS else "curve"
    return (
        f'<g class="{kind}" style="color:{curve_variable(index)}">'
        f'<path d="{line}" fill="none" stroke="currentColor" stroke-linecap="round" stroke-linejoin="round"'
        f"{dashes(index)}/>{dots}</g>"
    )


def _finite(curve: Curve) -> list[tuple[float, float]]:
    return [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if math.isfinite(x) and math.isfinite(y)]


def _runs(curve: Curve) -> list[list[tuple[float, float]]]:
    """The parts of a curve between its gaps."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(curve.x, curve.y, strict=True):
        if math.isfinite(x) and math.isfinite(y):
            runs[-1].append((x, y))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def thin(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """At most about MAX_POINTS of the points, among them the first, the last and all extremes that can be seen."""
    if len(points) <= MAX_POINTS:
        return points
    size = math.ceil(2 * len(points) / MAX_POINTS)
    kept = {0, len(points) - 1}
    for first in range(0, len(points), size):
        part = range(first, min(first + size, len(points)))
        kept |= {min(part, key=lambda i: points[i][1]), max(part, key=lambda i: points[i][1])}
    return [points[i] for i in sorted(kept)]


def curve_variable(index: int) -> str:
    """The colour of a chart's curve, as CSS. Beyond the palette colours come again, with dashes."""
    return f"var(--curve-{index % len(PALETTE)})"


def dashes(index: int) -> str:
    """The attribute that tells curves of one colour apart; empty for the first of them."""
    turn = index // len(PALETTE)
    return f' stroke-dasharray="{6 * turn} 5"' if turn else ""


def curve_colours(background: tuple[int, int, int]) -> list[str]:
    """The overlays' palette as CSS colours, made darker or lighter until they stand out from a background."""
    return [_legible(colour, background) for colour in PALETTE]


def _legible(colour: Sequence[int], background: tuple[int, int, int]) -> str:
    target = 0 if _luminance(background) > 0.5 else 255
    mixtures = ([round(v + (target - v) * percent / 100) for v in colour] for percent in range(0, 101, 5))
    return "#" + bytes(next(mixed for mixed in mixtures if _contrast(mixed, background) >= MIN_CONTRAST)).hex()


def _contrast(one: Sequence[int], other: Sequence[int]) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Sequence[int]) -> float:
    """Relative luminance of 8-bit sRGB, as WCAG defines it."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (value / 255 for value in colour)]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
