"""Reports as one HTML file each, which opens from disk, without a network, and has all its pictures in it.

Readable without JavaScript; with it, tables are sorted by a click on a column's name.
"""

import base64
import io
import math
import numbers
from collections.abc import Sequence
from html import escape
from importlib import resources
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from masklet.evaluation.page import Chart, Gallery, Headline, Page, Part, Picture, Section, Table
from masklet.evaluation.svg import DARK, LIGHT, curve_colours, curve_variable, dashes, draw_chart, format_number
from masklet.io.files import write_atomically

MAX_WIDTH = 960
"""Wider pictures are scaled down to this many pixels."""
QUALITY = 80
"""Of JPEG. A dozen pictures take about two megabytes."""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""Nothing is loaded from anywhere, and browsers shall see to it."""


def write_page(path: Path, page: Page) -> None:
    """Write a report as one HTML file, whole or not at all. FileNotFoundError if its folder does not exist."""
    html = render_page(page)
    with write_atomically(path) as temporary:
        # A file's name may hold bytes that are no text.
        temporary.write_text(html, encoding="utf-8", errors="xmlcharrefreplace")


def render_page(page: Page) -> str:
    """The report as HTML."""
    facts = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in page.facts.items())
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"<title>{escape(page.title)}</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{escape(page.title)}</h1>\n{f'<dl>{facts}</dl>' if facts else ''}\n</header>\n<main>\n"
        f"{''.join(map(_section, page.sections))}</main>\n<script>\n{_file('report.js')}</script>\n</body>\n</html>\n"
    )


def _style() -> str:
    """The style sheet, before it the colours of curves in either theme."""
    light, dark = (
        "".join(f"--curve-{index}:{colour};" for index, colour in enumerate(curve_colours(background)))
        for background in (LIGHT, DARK)
    )
    themes = f":root{{{light}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}\n"
    return themes + _file("report.css")


def _file(name: str) -> str:
    return resources.files("masklet.evaluation").joinpath(name).read_text(encoding="utf-8")


def _section(section: Section) -> str:
    text = f"<p>{escape(section.text)}</p>\n" if section.text else ""
    parts = []
    for are_charts, group in groupby(section.parts, key=lambda part: isinstance(part, Chart)):
        html = "".join(_part(part, section.heading) for part in group)
        parts.append(f'<div class="charts">\n{html}</div>\n' if are_charts else html)
    return f"<section>\n<h2>{escape(section.heading)}</h2>\n{text}{''.join(parts)}</section>\n"


def _part(part: Part, heading: str) -> str:
    if isinstance(part, Headline):
        return _headline(part)
    if isinstance(part, Table):
        return _table(part, heading)
    if isinstance(part, Chart):
        return _chart(part)
    return _gallery(part)


def _headline(headline: Headline) -> str:
    values = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{format_number(value, _decimals([value]))}</dd></div>"
        for name, value in headline.values.items()
    )
    return f'<dl class="headline">{values}</dl>\n'


def _table(table: Table, heading: str) -> str:
    columns = list(zip(*table.rows, strict=True)) if table.rows else [()] * len(table.columns)
    decimals = [_decimals(column) for column in columns]
    names = "".join(
        f'<th scope="col"{_class(column)}>{escape(name)}</th>'
        for name, column in zip(table.columns, columns, strict=True)
    )
    rows = "".join(
        f"<tr>{''.join(_cell(cell, digits) for cell, digits in zip(row, decimals, strict=True))}</tr>\n"
        for row in table.rows
    )
    return (
        f'<div class="scroll" role="region" aria-label="{escape(heading)}" tabindex="0"><table>\n'
        f"<thead><tr>{names}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
    )


def _class(column: Sequence[str | float]) -> str:
    """The attribute that sets a column of numbers to the right."""
    return "" if all(isinstance(cell, str) for cell in column) else ' class="number"'


def _decimals(column: Sequence[str | float]) -> int:
    """How many decimals a column's numbers have: shares three, others one, and counts none."""
    known = [cell for cell in column if not isinstance(cell, str) and math.isfinite(cell)]
    if all(isinstance(cell, numbers.Integral) for cell in known):
        return 0
    return 3 if all(abs(cell) <= 1 for cell in known) else 1


def _cell(cell: str | float, decimals: int) -> str:
    if isinstance(cell, str):
        return f"<td>{escape(cell)}</td>"
    value = f' data-value="{float(cell):.9g}"' if math.isfinite(cell) else ""
    return f'<td class="number"{value}>{format_number(cell, decimals)}</td>'


def _chart(chart: Chart) -> str:
    legend = "".join(
        f'<li style="color:{curve_variable(index)}"><svg viewBox="0 0 24 8" aria-hidden="true">'
        f'<path d="M2 4H22" stroke="currentColor"{dashes(index)}/></svg><span>{escape(curve.name)}</span></li>'
        for index, curve in enumerate(chart.curves)
    )
    return (
        f'<figure class="chart"><figcaption>{escape(chart.title)}</figcaption>{draw_chart(chart)}'
        f"{f'<ul>{legend}</ul>' if legend else ''}</figure>\n"
    )


def _gallery(gallery: Gallery) -> str:
    return f'<div class="gallery">\n{"".join(map(_picture, gallery.pictures))}</div>\n'


def _picture(picture: Picture) -> str:
    """A picture that fills the screen while its box is ticked, that is from one click to the next."""
    image = _scaled(picture.image)
    height, width = image.shape[:2]
    caption = escape(picture.caption)
    return (
        f'<figure><label style="aspect-ratio:{width}/{height}"><input type="checkbox" aria-label="Enlarge: {caption}">'
        f'<img src="{_data_uri(image)}" width="{width}" height="{height}" alt="{caption}"></label>'
        f"<figcaption>{caption}</figcaption></figure>\n"
    )


def _scaled(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    if width <= MAX_WIDTH:
        return image
    size = (MAX_WIDTH, max(1, round(height * MAX_WIDTH / width)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _data_uri(image: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, format="JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
