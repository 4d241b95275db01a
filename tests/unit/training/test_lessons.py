"""Batches and losses follow from the seed, the number and the process."""

from contextlib import closing
from dataclasses import replace
from itertools import islice

import pytest
import torch

from masklet.training.assemble import prepare_run
from masklet.training.data.loader import Destination
from masklet.training.prompts import PromptConfig


@pytest.fixture
def run(make_run):
    return prepare_run(make_run())


def totals(run, numbers, rank=0):
    with torch.no_grad(), closing(run.lessons.batches(0, Destination())) as made:
        batch = next(made)
        return [run.lessons.losses(run.model, batch, number, rank).total.item() for number in numbers]


def test_the_same_number_gives_the_same_losses_whatever_else_is_random(run):
    first = totals(run, [3, 3])
    torch.manual_seed(9)
    assert first == totals(run, [3, 3])
    assert first[0] == first[1]


def test_numbers_and_processes_differ_in_clicks(run):
    assert len({*totals(run, [0, 1, 2]), *totals(run, [0], rank=1)}) == 4


def test_decisions_are_those_of_all_processes(run):
    with closing(run.lessons.batches(0, Destination())) as made:
        batch = next(made)
        for number in range(6):
            found = [run.lessons.losses(run.model, batch, number, rank) for rank in range(3)]
            assert len({each.predictions[0].prompt for each in found}) == 1


def test_batches_begin_where_they_are_asked_to(run):
    with closing(run.lessons.batches(0, Destination())) as made, closing(run.lessons.batches(2, Destination())) as late:
        third = list(islice(made, 3))[2]
        assert torch.equal(third.pixels, next(late).pixels)


def test_prompts_are_those_of_the_source(run):
    boxes = replace(run.lessons, prompts=(PromptConfig(box_probability=1.0),))
    with closing(boxes.batches(0, Destination())) as made:
        assert boxes.losses(run.model, next(made), 0).predictions[0].prompt == "box"


def test_names_clips_for_messages(run):
    text = run.lessons.describe(0)
    assert text.startswith("items ")
    assert text.endswith("images")
