"""What a run takes, measured: numbers that hang together."""

from dataclasses import replace

import pytest

from masklet.training.assemble import prepare_run
from masklet.training.estimate import _in_words


def test_says_time_and_memory(make_run):
    config = make_run(steps=3600)
    found = prepare_run(config).estimate()
    assert 0 < found.seconds_per_step < 10
    assert found.text.startswith("3,600 steps of about ")
    assert "on cpu, and at least" in found.text
    model = prepare_run(config).model
    weights = sum(tensor.numel() * 4 for tensor in model.state_dict().values())
    assert found.peak_bytes > 5 * weights  # themselves, gradients, two moments, an average; and what a step keeps
    assert found.peak_bytes < 1e9


def test_a_larger_batch_needs_more_memory_and_added_up_ones_more_time(make_run, monkeypatch):
    config = make_run()
    source = config.data.train[0]
    monkeypatch.setattr("masklet.training.estimate.time.monotonic", iter(range(1000)).__next__)
    one, six = (
        prepare_run(replace(config, data=replace(config.data, train=(replace(source, batch_size=size),)))).estimate()
        for size in (1, 6)
    )
    assert six.peak_bytes > 1.4 * one.peak_bytes  # which has the weights in it, too
    three = prepare_run(make_run(accumulate=3)).estimate()
    assert three.seconds_per_step == pytest.approx(3 * one.seconds_per_step)


def test_sources_count_as_often_as_they_have_their_turn(make_run, monkeypatch):
    """A source of batches of six pictures, and one of a picture each three times as often."""
    config = make_run()
    source = config.data.train[0]
    pair = (replace(source, batch_size=6, weight=1.0), replace(source, batch_size=1, weight=3.0))
    run = prepare_run(replace(config, data=replace(config.data, train=pair)))
    monkeypatch.setattr(
        "masklet.training.estimate._measure", lambda trial, numbers: (8.0, 70) if len(numbers) == 50 else (4.0, 90)
    )
    found = run.estimate()
    assert found.seconds_per_step == pytest.approx(0.25 * 8 + 0.75 * 4)
    assert found.peak_bytes > 90


def test_checkpointed_blocks_need_less_memory(make_run):
    config = make_run()
    plain = prepare_run(config).estimate()
    less = prepare_run(replace(config, model=replace(config.model, checkpoint_blocks=True))).estimate()
    assert less.peak_bytes < plain.peak_bytes


@pytest.mark.parametrize(("seconds", "words"), [(12.4, "12 s"), (90, "1.5 min"), (9000, "2.5 h")])
def test_times_in_words(seconds, words):
    assert _in_words(seconds) == words
