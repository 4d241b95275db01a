"""Values of options: clicks, boxes, devices."""

import re
from pathlib import Path

import pytest
import torch

from masklet.cli.console import UsageError
from masklet.cli.options import Box, Click, ModelOptions, PromptOptions, parse_box, parse_click


@pytest.mark.parametrize(
    ("text", "click"),
    [
        ("1,2", Click(1, 2, 1)),
        ("1.5,-2,0", Click(1.5, -2, 0)),
        (" 1 , 2 , 1 ", Click(1, 2, 1)),
        ("1e2,0,1.0", Click(100, 0, 1)),
    ],
)
def test_clicks(text: str, click: Click) -> None:
    assert parse_click(text) == click
    assert isinstance(parse_click(text).label, int)


@pytest.mark.parametrize("text", ["", "1", "1,2,0,4", "a,b", "nan,2", "1,inf", "1,2,", "1,2,2", "1,2,-1", "1,2,0.5"])
def test_no_clicks(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        parse_click(text)


def test_boxes() -> None:
    assert parse_box("-1,2,3.5,4") == Box(-1, 2, 3.5, 4)


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "1,2,x,4", "1,2,nan,4", "3,2,1,4", "1,4,3,4"])
def test_no_boxes(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        parse_box(text)


def test_points_and_labels_are_apart() -> None:
    prompts = PromptOptions(point=(Click(1, 2), Click(3, 4, 0)))
    assert prompts.points == [(1, 2), (3, 4)]
    assert prompts.labels == [1, 0]
    assert PromptOptions().points is None
    assert PromptOptions().labels is None


def test_model_is_loaded_where_it_is_wanted(tiny_checkpoint: Path) -> None:
    model = ModelOptions(model=str(tiny_checkpoint), device="cpu", image_size=96).load()
    assert model.config.image_size == 96
    assert model.device == torch.device("cpu")


def test_unknown_device_is_misuse() -> None:
    with pytest.raises(UsageError, match="'gpu'"):
        ModelOptions(device="gpu").load()


def test_absent_device_is_misuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="cuda:1"):
        ModelOptions(device="cuda:1").load()
