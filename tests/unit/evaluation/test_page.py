"""The parts of a report are values."""

from dataclasses import FrozenInstanceError

import pytest

from masklet.evaluation.page import Chart, Headline, Page, Section


def test_a_page_needs_no_more_than_a_title() -> None:
    assert Page(title="Scores") == Page(title="Scores", facts={}, sections=())
    assert Section(heading="Worst frames").parts == ()


def test_a_chart_spans_its_curves_unless_told() -> None:
    assert Chart(title="J", x_label="frame", y_label="J", curves=()).y_range is None


def test_parts_do_not_change() -> None:
    part = Headline(values={"J&F": 56.5})
    with pytest.raises(FrozenInstanceError):
        part.values = {}  # type: ignore[misc]
