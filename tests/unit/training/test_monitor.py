"""What is told about a run: the log, TensorBoard's files, pictures, progress."""

import json

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from masklet.io.images import read_image
from masklet.training.monitor import LOG, TENSORBOARD, Means, Monitor


def lines(folder):
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


def test_means_are_of_what_there_was_and_begin_anew():
    means = Means()
    means.add({"a": torch.tensor(1.0, requires_grad=True), "b": 4.0})
    means.add({"a": torch.tensor(2.0)})
    assert means.take(lambda vector: vector, torch.device("cpu")) == {"a": 1.5, "b": 4.0}
    assert means.take(lambda vector: vector, torch.device("cpu")) == {}


def test_means_of_several_processes_are_joined_as_one_vector():
    means = Means()
    means.add({"b": 4.0, "a": 1.0})
    assert means.take(lambda vector: vector * 2, torch.device("cpu")) == {"a": 2.0, "b": 8.0}


def test_writes_log_and_tensorboard(tmp_path):
    told = []
    monitor = Monitor(tmp_path, 20, progress=lambda *news: told.append(news))
    monitor.advance(9)
    monitor.write(10, {"loss/total": 0.123456789})
    monitor.write(10, {"validation/best_iou": 0.5})
    monitor.close()
    assert lines(tmp_path) == [{"step": 10, "loss/total": 0.123457}, {"step": 10, "validation/best_iou": 0.5}]
    assert [news[:2] for news in told] == [(9, 20), (10, 20), (10, 20)]
    assert told[-1][2] == {"loss/total": 0.123456789, "validation/best_iou": 0.5}
    board = EventAccumulator(str(tmp_path / TENSORBOARD)).Reload()
    assert [(event.step, event.value) for event in board.Scalars("loss/total")] == [(10, pytest.approx(0.123456789))]


def test_what_is_done_again_is_not_told_twice(tmp_path):
    monitor = Monitor(tmp_path, 20)
    for step in (5, 10, 15):
        monitor.write(step, {"rate": 1.0})
    monitor.close()
    with (tmp_path / LOG).open("a") as log:
        log.write('{"step": 16, "rat')
    monitor = Monitor(tmp_path, 20, start=10)
    monitor.write(15, {"rate": 2.0})
    monitor.close()
    assert [(line["step"], line["rate"]) for line in lines(tmp_path)] == [(5, 1.0), (10, 1.0), (15, 2.0)]
    board = EventAccumulator(str(tmp_path / TENSORBOARD)).Reload()
    assert [(event.step, event.value) for event in board.Scalars("rate")] == [(5, 1.0), (10, 1.0), (15, 2.0)]


def test_a_run_that_begins_anew_tells_anew(tmp_path):
    """As one does that was killed before its first state was saved."""
    for rate in (1.0, 2.0):
        monitor = Monitor(tmp_path, 20)
        for step in (0, 5)[: int(3 - rate)]:
            monitor.write(step, {"rate": rate})
        monitor.close()
    assert [(line["step"], line["rate"]) for line in lines(tmp_path)] == [(0, 2.0)]
    board = EventAccumulator(str(tmp_path / TENSORBOARD)).Reload()
    assert [(event.step, event.value) for event in board.Scalars("rate")] == [(0, 2.0)]


def test_shows_pictures(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    monitor = Monitor(tmp_path, 20)
    monitor.show(5, picture)
    monitor.close()
    assert np.array_equal(read_image(tmp_path / "pictures" / "step_000005.png"), picture)
    assert EventAccumulator(str(tmp_path / TENSORBOARD)).Reload().Tags()["images"] == ["masks"]


def test_remarks_are_told_and_kept(tmp_path):
    monitor = Monitor(tmp_path, 20)
    with pytest.warns(UserWarning, match="other settings"):
        monitor.remark("other settings")
    monitor.close()
    assert lines(tmp_path) == [{"remark": "other settings"}]
