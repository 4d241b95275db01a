"""A whole data set followed: resumed, failing in part, in several processes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from masklet.datasets.annotations import LabelMaps, ObjectFolders
from masklet.datasets.sequences import VideoDataset
from masklet.evaluation.model_choice import ModelChoice
from masklet.evaluation.vos import VosOptions, follow_sequence
from masklet.evaluation.vos_run import Timing, VosRun, run_vos
from masklet.io.label_maps import read_labels

NUM_FRAMES = 10
LATER = VosOptions(appearing_later=True)


@pytest.fixture
def make_run(make_squares, tiny_checkpoint, tmp_path: Path):
    def make(**changes: Any) -> VosRun:
        names = [name for name in ("a", "b", "c") if not (tmp_path / "JPEGImages" / name).exists()]
        sequences = tuple(make_squares(name) for name in names)
        run = VosRun(
            **{
                "dataset": VideoDataset(name="squares", sequences=sequences, has_truth=True),
                "output": tmp_path / "out",
                "method": ModelChoice(source=str(tiny_checkpoint), device="cpu"),
                "options": LATER,
                **changes,
            }
        )
        run.folder.begin(run.describe())
        return run

    return make


def test_masks_and_timings_are_written(make_run) -> None:
    run = make_run()
    frames, names = [], []
    outcome = run_vos(run, on_frame=lambda: frames.append(1), on_sequence=names.append)
    assert list(outcome.done) == names == ["a", "b", "c"]
    assert (outcome.resumed, outcome.failures, len(frames)) == ((), {}, 3 * NUM_FRAMES)
    known = json.loads((run.folder.timings / "b.json").read_text())
    assert outcome.done["b"] == Timing(**known)
    assert (known["frames"], known["objects"]) == (NUM_FRAMES, 2)
    (sequence, *_) = run.dataset.sequences
    written = LabelMaps(run.folder.masks / "a")
    assert written.frames == sequence.frame_names
    assert isinstance(run.method, ModelChoice)
    expected = list(follow_sequence(run.method.load(), sequence, LATER))
    for name, masks in zip(sequence.frame_names, expected, strict=True):
        found = written.read(name)
        for id_, mask in masks.items():
            assert (found.get(id_, np.zeros_like(mask)) == mask).all()


def test_processes_give_the_same_masks(make_run, tmp_path: Path) -> None:
    run = make_run()
    run_vos(run)
    other = make_run(dataset=run.dataset, output=tmp_path / "other")

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_vos(other, num_workers=2, on_frame=stop)
    assert list(other.folder.masks.glob(".*")) == []  # a process may be through with a short video by now
    frames: list[int] = []
    outcome = run_vos(other, num_workers=2, on_frame=lambda: frames.append(1))
    assert {*outcome.done, *outcome.resumed} == {"a", "b", "c"}
    assert len(frames) == len(outcome.done) * NUM_FRAMES
    for file in run.folder.masks.rglob("*.png"):
        there = other.folder.masks / file.relative_to(run.folder.masks)
        assert (read_labels(file) != read_labels(there)).sum() <= 2  # fewer threads round otherwise


def test_a_run_goes_on(make_run, monkeypatch) -> None:
    run = make_run(method="flow")
    stop = iter(range(15))

    def on_frame() -> None:
        if next(stop, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_vos(run, on_frame=on_frame)
    assert [path.name for path in run.folder.masks.iterdir()] == ["a"]
    (run.folder.masks / ".b.part").mkdir()  # as a run that is killed leaves it
    outcome = run_vos(run)
    assert outcome.resumed == ("a",)
    assert list(outcome.done) == ["b", "c"]
    assert sorted(path.name for path in run.folder.masks.iterdir()) == ["a", "b", "c"]


def test_a_sequence_that_fails_does_not_stop_the_others(make_run) -> None:
    run = make_run()
    broken = run.dataset.sequences[1].video / "00004.png"
    broken.write_bytes(b"no picture")
    outcome = run_vos(run)
    assert list(outcome.done) == ["a", "c"]
    assert list(outcome.failures) == ["b"]
    assert "00004.png" in outcome.failures["b"]
    assert not (run.folder.masks / "b").exists()
    Image.new("RGB", (56, 40)).save(broken)
    assert list(run_vos(run).done) == ["b"]


def test_a_picture_an_object(make_run) -> None:
    run = make_run(per_object=True, method="static")
    run_vos(run)
    masks = ObjectFolders(run.folder.masks / "a")
    assert masks.objects.keys() == {1, 2}
    assert len(masks.frames) == NUM_FRAMES


def test_description(make_run) -> None:
    run = make_run()
    described = run.folder.describe()
    assert described["dataset"] == "squares"
    assert described["protocol"] == "first-mask"
    assert described["appearing_later"] is True
    assert len(described["weights"]) == 64
    with pytest.raises(ValueError, match="baseline None, now 'static'"):
        make_run(method="static", dataset=run.dataset)
