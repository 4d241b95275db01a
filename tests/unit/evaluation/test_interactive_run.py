"""A whole data set corrected: kept as it is done, resumed by object, failing in part, in several processes."""

import json
from pathlib import Path
from typing import Any

import pytest

from masklet.datasets.sequences import VideoDataset
from masklet.evaluation import interactive_run
from masklet.evaluation.interactive import InteractiveOptions
from masklet.evaluation.interactive_run import InteractiveRun, run_interactive
from masklet.evaluation.model_choice import ModelChoice

OPTIONS = InteractiveOptions(mode="online", max_frames=2, num_clicks=1)


@pytest.fixture
def make_run(make_squares, tiny_checkpoint, tmp_path: Path):
    sequences = tuple(make_squares(name) for name in ("a", "b"))

    def make(**changes: Any) -> InteractiveRun:
        known = {
            "dataset": VideoDataset(name="squares", sequences=sequences, has_truth=True),
            "output": tmp_path / "out",
            "model": ModelChoice(source=str(tiny_checkpoint), device="cpu"),
            "options": OPTIONS,
        }
        return InteractiveRun(**{**known, **changes})

    return make


def test_results_are_kept_as_they_are(make_run) -> None:
    run = make_run()
    run.folder.begin(run.describe())
    objects, names = [], []
    outcome = run_interactive(run, on_object=lambda: objects.append(1), on_sequence=names.append)
    assert outcome.failures == {}
    assert [(entry.sequence, entry.object_id) for entry in outcome.scores] == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    assert (len(objects), names) == (4, ["a", "b"])
    known, complete = run.folder.read("b")
    assert complete
    for found, kept in zip(outcome.scores[2:], known, strict=True):
        assert [done.frame for done in kept.rounds] == [done.frame for done in found.rounds]
        assert [done.clicks for done in kept.rounds] == [done.clicks for done in found.rounds]
        for one, other in zip(found.rounds, kept.rounds, strict=True):
            assert other.scores.frames == one.scores.frames
            assert other.scores.j == pytest.approx(one.scores.j, abs=1e-6)
            assert other.scores.f == pytest.approx(one.scores.f, abs=1e-6)


def test_a_stopped_run_goes_on_with_the_next_object(make_run, monkeypatch) -> None:
    run = make_run()
    run.folder.begin(run.describe())
    asked = []
    annotate = interactive_run.annotate_sequence

    def stopped(model, sequence, options, done):
        asked.append((sequence.name, set(done)))
        yield next(iter(annotate(model, sequence, options, done)))
        raise KeyboardInterrupt

    monkeypatch.setattr(interactive_run, "annotate_sequence", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_interactive(run)
    known, complete = run.folder.read("a")
    assert ([entry.object_id for entry in known], complete) == ([1], False)

    def counted(model, sequence, options, done):
        asked.append((sequence.name, set(done)))
        return annotate(model, sequence, options, done)

    monkeypatch.setattr(interactive_run, "annotate_sequence", counted)
    run.folder.begin(run.describe())
    resumed = run_interactive(run)
    assert asked == [("a", set()), ("a", {1}), ("b", set())]
    run.folder.begin(run.describe())
    again = run_interactive(run)
    assert len(asked) == 3, "all is done already"
    assert [entry.object_id for entry in again.scores] == [entry.object_id for entry in resumed.scores] == [1, 2, 1, 2]


def test_processes_give_the_same_results(make_run, tmp_path: Path) -> None:
    run, other = make_run(), make_run(output=tmp_path / "other")
    for each in (run, other):
        each.folder.begin(each.describe())
    run_interactive(run)
    assert run_interactive(other, num_workers=2).failures == {}
    for file in run.folder.sequences.iterdir():
        assert (other.folder.sequences / file.name).read_text() == file.read_text()


def test_a_sequence_that_fails_is_named_and_the_others_go_on(make_run) -> None:
    run = make_run()
    run.folder.begin(run.describe())
    broken = run.dataset.sequences[0].annotations.path("00005")
    broken.write_bytes(b"no picture")
    outcome = run_interactive(run)
    assert list(outcome.failures) == ["a"]
    assert str(broken) in outcome.failures["a"]
    assert {entry.sequence for entry in outcome.scores} == {"b"}


def test_another_run_in_the_folder_is_refused(make_run) -> None:
    run, other = make_run(), make_run(options=InteractiveOptions(mode="offline", max_frames=2, num_clicks=1))
    run.folder.begin(run.describe())
    run_interactive(run)
    with pytest.raises(ValueError, match="mode 'online', now 'offline'"):
        other.folder.begin(other.describe())
    other.folder.begin(other.describe(), overwrite=True)
    assert other.folder.read("a") == ([], False)
    assert json.loads(other.folder.run.read_text())["mode"] == "offline"


def test_data_without_truth_is_refused(make_run) -> None:
    with pytest.raises(ValueError, match="server has masks to begin with alone"):
        make_run(dataset=VideoDataset(name="server", sequences=(), has_truth=False))


@pytest.mark.parametrize("contents", ["{", "[]", '{"objects": [{}], "complete": true}', '{"complete": true}'])
def test_a_damaged_file_is_named(make_run, contents: str) -> None:
    run = make_run()
    run.folder.begin(run.describe())
    file = run.folder.sequences / "a.json"
    file.write_text(contents)
    with pytest.raises(ValueError, match=r"a\.json is damaged"):
        run_interactive(run)
