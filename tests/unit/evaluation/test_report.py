"""Reports: one whole, well-formed file that loads nothing."""

import base64
import io
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.evaluation.page import Chart, Curve, Gallery, Headline, Page, Picture, Section, Table
from masklet.evaluation.report import MAX_WIDTH, render_page, write_page

VOID = {"meta", "img", "input", "link", "br"}


class Checker(HTMLParser):
    """Counts what is in a page, and refuses tags that are not closed in their order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []
        assert len(self.ids) == len(set(self.ids))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        names = dict(attrs)
        assert len(names) == len(attrs), f"an attribute is twice in <{tag}>"
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def page(*parts: Headline | Table | Chart | Gallery) -> Page:
    return Page(title="Scores", sections=[Section(heading="All", parts=parts)])


def everything() -> Page:
    table = Table(columns=("sequence", "J&F"), rows=[("goat", 56.53), ("dog", float("nan"))])
    chart = Chart(title="J", x_label="frame", y_label="J", curves=[Curve(name="goat", x=[0, 1], y=[1, 0])])
    gallery = Gallery(
        pictures=[Picture(image=noise(20, 30), caption="frame 00007"), Picture(image=noise(9, 9), caption="")]
    )
    return Page(
        title="Scores",
        facts={"model": "nano"},
        sections=[
            Section(heading="Numbers", parts=[Headline(values={"J&F": 56.53, "objects": 7})]),
            Section(heading="All", text="What there is.", parts=[table, chart, gallery]),
            Section(heading="Nothing"),
        ],
    )


def test_a_page_has_all_its_parts() -> None:
    found = Checker(render_page(everything()))
    assert found.tags["table"] == 1
    assert found.tags["figure"] == 3
    assert found.tags["h2"] == 3
    for text in ("Scores", "model", "nano", "What there is.", "56.5", "frame 00007", "goat"):
        assert text in found.text


def test_charts_that_follow_each_other_stand_side_by_side() -> None:
    chart = Chart(title="J", x_label="frame", y_label="J", curves=[])
    table = Table(columns=("a",), rows=[])
    html = render_page(page(chart, chart, table, chart)).partition("<main>")[2]
    assert re.findall(r'class="(charts|chart|scroll)"', html) == [
        "charts",
        "chart",
        "chart",
        "scroll",
        "charts",
        "chart",
    ]
    Checker(html.partition("</main>")[0])


def test_nothing_is_loaded_from_elsewhere() -> None:
    html = render_page(everything())
    assert all(address.startswith("data:image/jpeg;base64,") for address in Checker(html).addresses)
    assert "default-src 'none'" in html
    assert not re.search(r"@import|url\(|https?:", html)


def test_an_empty_page_and_empty_parts_are_well_formed() -> None:
    Checker(render_page(Page(title="")))
    Checker(
        render_page(
            page(
                Table(columns=("a", "b"), rows=[]),
                Chart(title="", x_label="", y_label="", curves=[]),
                Gallery(pictures=[]),
                Headline(values={}),
            )
        )
    )


def test_everything_is_escaped() -> None:
    evil = "<script>\"'&</script>"
    chart = Chart(title=evil, x_label=evil, y_label=evil, curves=[Curve(name=evil, x=[0], y=[0])])
    html = render_page(
        Page(
            title=evil,
            facts={evil: evil},
            sections=[
                Section(
                    heading=evil,
                    text=evil,
                    parts=[
                        Headline(values={evil: 1.0}),
                        Table(columns=[evil], rows=[[evil]]),
                        chart,
                        Gallery(pictures=[Picture(image=noise(4, 4), caption=evil)]),
                    ],
                )
            ],
        )
    )
    found = Checker(html)
    assert found.tags["script"] == 1
    assert found.text.count(evil) >= 14


def test_numbers_stand_to_the_right_with_the_decimals_of_their_column() -> None:
    rows = [("goat", 1, 56.53, 0.5), ("dog", 2, 1, 0.25), ("cow", 10, float("nan"), 1)]
    html = render_page(page(Table(columns=("sequence", "object", "J&F", "IoU"), rows=rows)))
    assert re.findall(r'<td class="number"[^>]*>([^<]*)</td>', html) == [
        *("1", "56.5", "0.500"),
        *("2", "1.0", "0.250"),
        *("10", "\N{EN DASH}", "1.000"),
    ]
    assert html.count('data-value="') == 8
    assert html.count('<th scope="col" class="number">') == 3


def test_numbers_of_numpy_are_numbers() -> None:
    html = render_page(page(Table(columns=("n", "x"), rows=[(np.int64(3), np.float32(12.25))])))
    assert '<td class="number" data-value="3">3</td><td class="number" data-value="12.25">12.2</td>' in html


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        render_page(page(Table(columns=("a", "b"), rows=[("x",)])))


def test_pictures_are_scaled_down_and_small_ones_are_not_enlarged() -> None:
    gallery = Gallery(
        pictures=[Picture(image=noise(100, 2000), caption="a"), Picture(image=noise(30, 40), caption="b")]
    )
    sizes = [decode(address).size for address in Checker(render_page(page(gallery))).addresses]
    assert sizes == [(MAX_WIDTH, 48), (40, 30)]


def decode(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def test_a_picture_shows_what_it_was() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, 30:] = (200, 40, 90)
    (address,) = Checker(render_page(page(Gallery(pictures=[Picture(image=image[:, ::-1], caption="")])))).addresses
    shown = np.asarray(decode(address)).astype(int)
    assert np.abs(shown[20, 10] - (200, 40, 90)).max() < 12
    assert shown[20, 50].max() < 12


def test_a_page_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_page(path, everything())
    assert path.read_text(encoding="utf-8") == render_page(everything())
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_names_that_are_no_text_are_written(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_page(path, Page(title=b"caf\xe9".decode(errors="surrogateescape") + " é"))
    assert "caf&#56553; é" in path.read_text(encoding="utf-8")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_page(tmp_path / "nowhere" / "report.html", Page(title="Scores"))
