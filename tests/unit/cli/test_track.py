"""`masklet track`, called as a function or through the program, on a tiny model with random weights."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image
from rich.progress import Progress

from masklet.checkpoint.save import save_model
from masklet.cli import track as command
from masklet.cli.console import UsageError
from masklet.cli.main import DONE, FAILED, MISUSED, STOPPED, main
from masklet.config import ModelConfig
from masklet.io.files import read_mask_png
from masklet.io.masklets import read_masklets
from masklet.io.video_file import VideoFile
from masklet.io.video_writer import VideoWriter
from masklet.model import Sam2
from masklet.ops.rle import decode_rle
from masklet.predictors.video import VideoSession
from masklet.tracking.tracker import Tracker

NUM_FRAMES = 8
SIZE = (30, 40)
TWO_OBJECTS = ("--object", "1", "--point", "10,8", "--object", "2", "--at", "3", "--box", "5,5,30,25")


def pictures() -> Iterator[np.ndarray]:
    base = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    for index in range(NUM_FRAMES):
        yield np.roll(base, index, axis=1)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    with VideoWriter(tmp_path / "clip.mp4", SIZE, rate=10) as writer:
        for picture in pictures():
            writer.write(picture)
    return tmp_path / "clip.mp4"


@pytest.fixture
def stills(tmp_path: Path) -> Path:
    folder = tmp_path / "stills"
    folder.mkdir()
    for index, picture in enumerate(pictures()):
        Image.fromarray(picture).save(folder / f"shot-{index}.png")
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "new" / "out"


class Run:
    """Runs the program with the tiny model."""

    def __init__(self, model: Path, out: Path) -> None:
        self.options = ("--model", str(model), "--device", "cpu", "--output", str(out))

    def __call__(self, video: Path | str, *options: str) -> int:
        return main(["track", str(video), *options, *self.options])


@pytest.fixture(scope="session")
def checkpoint(tiny: ModelConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model to which every object is present, and whose masks depend on prompts and memories."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Sam2(tiny)
    model.get_parameter("mask_decoder.object_head.layers.2.bias").data += 10.0
    for name, weights in model.named_parameters():
        if name.startswith("mask_decoder.hypernetworks") and name.endswith("layers.2.weight"):
            weights.data *= 100.0
        elif name.endswith("cross_attention.out_projection.weight") and name.startswith("memory_attention"):
            weights.data *= 10.0
    return save_model(model, tmp_path_factory.mktemp("tiny") / "tiny.pt")


@pytest.fixture
def run(checkpoint: Path, out: Path) -> Run:
    return Run(checkpoint, out)


def results(out: Path) -> dict[int, list[dict[str, Any]]]:
    return read_masklets(out / "masklets.jsonl")[1]


def count_frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_every_frame_gets_each_object(clip: Path, out: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(clip, *TWO_OBJECTS) == DONE
    assert sorted(path.name for path in out.iterdir()) == ["masklets.jsonl", "masks", "overlay.mp4", "run.json"]
    records = results(out)
    assert list(records) == list(range(NUM_FRAMES))
    for frame, found in records.items():
        assert [record["id"] for record in found] == [1, 2]
        for record in found:
            mask = read_mask_png(out / "masks" / str(record["id"]) / f"{frame:05d}.png")
            assert mask.shape == SIZE
            assert 0 < mask.mean() < 1
            assert np.array_equal(mask, decode_rle(record["segmentation"]))
    assert count_frames(out / "overlay.mp4") == NUM_FRAMES
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = [line.split("\t") for line in captured.out.splitlines()]
    assert lines[0] == ["object", "frames", "visible", "score", "first", "last"]
    assert [line[:3] for line in lines[1:]] == [["1", "8", "8"], ["2", "8", "8"]]


@pytest.mark.parametrize(
    ("options", "frames"),
    [
        (("--direction", "forward"), [3, 4, 5, 6, 7]),
        (("--direction", "backward"), [0, 1, 2, 3]),
        (("--direction", "both"), [0, 1, 2, 3, 4, 5, 6, 7]),
        (("--max-frames", "2"), [1, 2, 3, 4]),
        (("--max-frames", "2", "--direction", "forward"), [3, 4]),
    ],
)
def test_directions(clip: Path, out: Path, run: Run, options: tuple[str, ...], frames: list[int]) -> None:
    assert run(clip, "--at", "3", "--point", "10,8", *options) == DONE
    assert list(results(out)) == frames
    assert count_frames(out / "overlay.mp4") == len(frames)


def test_a_folder_of_pictures(stills: Path, out: Path, run: Run) -> None:
    assert run(stills, "--point", "10,8") == DONE
    names = {path.name for path in (out / "masks" / "1").iterdir()}
    assert names == {f"shot-{index}.png" for index in range(NUM_FRAMES)}
    assert count_frames(out / "overlay.mp4") == NUM_FRAMES


def test_the_video_is_drawn_as_told(clip: Path, out: Path, run: Run) -> None:
    assert run(clip, "--point", "10,8", "--side-by-side", "--fill", "0", "--no-labels") == DONE
    with av.open(str(out / "overlay.mp4")) as container:
        frame = next(container.decode(video=0))
    assert frame.height == SIZE[0]
    assert frame.width > 2 * SIZE[1]


def test_what_is_not_wanted_is_not_written(clip: Path, out: Path, run: Run) -> None:
    assert run(clip, "--point", "10,8", "--no-overlay", "--no-masks") == DONE
    assert sorted(path.name for path in out.iterdir()) == ["masklets.jsonl", "run.json"]


def test_objects_overlap_unless_told_otherwise(clip: Path, out: Path, run: Run) -> None:
    boxes = ("--box", "1,1,30,25", "--object", "2", "--box", "3,3,36,28", "--no-overlay")
    for options, overlap in (((), True), (("--non-overlapping",), False)):
        assert run(clip, *boxes, *options) == DONE
        pairs = [[decode_rle(record["segmentation"]) for record in found] for found in results(out).values()]
        assert any((first & second).any() for first, second in pairs) == overlap


def test_all_holes_can_be_filled(clip: Path, out: Path, run: Run) -> None:
    assert run(clip, "--point", "10,8", "--hole-area", "1e9", "--no-overlay") == DONE
    assert all(decode_rle(record["segmentation"]).all() for found in results(out).values() for record in found)


def test_a_prompts_file_and_what_a_run_wrote_down(clip: Path, tmp_path: Path, out: Path, run: Run) -> None:
    assert run(clip, *TWO_OBJECTS, "--no-overlay") == DONE
    first = results(out)
    assert len(json.loads((out / "run.json").read_text())["prompts"]) == 2
    copy = tmp_path / "prompts.json"
    copy.write_bytes((out / "run.json").read_bytes())
    assert run(clip, "--prompts", str(copy), "--no-overlay") == DONE
    assert results(out) == first


class Breaks:
    """Makes tracking raise at a frame, until it is mended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, frame: int, error: BaseException) -> None:
        self.frame: int | None = frame
        self.tracked: list[int] = []
        track = Tracker.track

        def breaking(tracker: Tracker, features: Any, index: int, *rest: Any, **options: Any) -> None:
            if index == self.frame:
                raise error
            self.tracked.append(index)
            track(tracker, features, index, *rest, **options)

        monkeypatch.setattr(Tracker, "track", breaking)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [(KeyboardInterrupt(), STOPPED, "stopped"), (ValueError("clip breaks at frame 5"), FAILED, "breaks at frame 5")],
)
def test_a_run_that_ends_midway_goes_on(
    clip: Path,
    out: Path,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    words: str,
) -> None:
    assert run(clip, *TWO_OBJECTS) == DONE
    whole = results(out)
    capsys.readouterr()

    breaks = Breaks(monkeypatch, 5, error)
    assert run(clip, *TWO_OBJECTS) == code
    captured = capsys.readouterr()
    assert words in captured.err.splitlines()[-1]
    assert "5 of 8 frames" in captured.err
    assert "--resume" in captured.err
    assert list(results(out)) == [0, 1, 2, 3, 4]
    assert len(list((out / "masks" / "1").iterdir())) == 5
    assert count_frames(out / "overlay.mp4") == 5
    assert (out / "session.safetensors").exists()

    breaks.frame, breaks.tracked = None, []
    assert run(clip, *TWO_OBJECTS, "--resume") == DONE
    assert breaks.tracked == [5, 6, 7, 2, 1, 0]
    assert results(out) == whole
    assert count_frames(out / "overlay.mp4") == NUM_FRAMES
    assert len(list((out / "masks" / "2").iterdir())) == NUM_FRAMES
    assert not (out / "session.safetensors").exists()
    assert capsys.readouterr().err == ""


def test_a_stop_in_the_backward_pass(clip: Path, out: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(clip, "--at", "4", "--point", "10,8") == DONE
    whole = results(out)
    breaks = Breaks(monkeypatch, 2, KeyboardInterrupt())
    assert run(clip, "--at", "4", "--point", "10,8") == STOPPED
    assert count_frames(out / "overlay.mp4") == 5
    breaks.frame, breaks.tracked = None, []
    assert run(clip, "--at", "4", "--point", "10,8", "--resume") == DONE
    assert breaks.tracked == [2, 1, 0]
    assert results(out) == whole


def test_a_stop_while_drawing_loses_no_results(
    clip: Path, out: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks = Breaks(monkeypatch, -1, KeyboardInterrupt())
    draw = command.draw_results

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "draw_results", interrupted)
    assert run(clip, "--point", "10,8") == STOPPED
    monkeypatch.setattr(command, "draw_results", draw)
    breaks.tracked = []
    assert run(clip, "--point", "10,8", "--resume") == DONE
    assert breaks.tracked == []
    assert count_frames(out / "overlay.mp4") == NUM_FRAMES


def test_a_stop_while_drawing_leaves_a_whole_file(
    clip: Path, out: Path, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def advance(*_: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    Breaks(monkeypatch, 5, ValueError("clip breaks at frame 5"))
    monkeypatch.setattr(Progress, "advance", advance)
    assert run(clip, "--point", "10,8") == FAILED
    assert count_frames(out / "overlay.mp4") == 2
    lines = capsys.readouterr().err.splitlines()
    assert "overlay.mp4 is cut" in lines[0]
    assert "breaks at frame 5" in lines[-1]


def test_two_stops(clip: Path, out: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks = Breaks(monkeypatch, 3, KeyboardInterrupt())
    assert run(clip, "--point", "10,8") == STOPPED
    breaks.frame = 6
    assert run(clip, "--point", "10,8", "--resume") == STOPPED
    breaks.frame = None
    assert run(clip, "--point", "10,8", "--resume") == DONE
    assert breaks.tracked == list(range(1, NUM_FRAMES))
    assert list(results(out)) == list(range(NUM_FRAMES))


def test_more_frames_can_be_asked_for_on_resuming(
    clip: Path, out: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks = Breaks(monkeypatch, 3, KeyboardInterrupt())
    assert run(clip, "--point", "10,8", "--max-frames", "4") == STOPPED
    breaks.frame = None
    assert run(clip, "--point", "10,8", "--resume") == DONE
    assert list(results(out)) == list(range(NUM_FRAMES))


def test_a_stop_in_other_prompts_does_not_go_on(
    clip: Path, out: Path, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    breaks = Breaks(monkeypatch, 3, KeyboardInterrupt())
    assert run(clip, "--point", "10,8") == STOPPED
    breaks.frame = None
    before = (out / "masklets.jsonl").read_bytes()
    assert run(clip, "--point", "11,8", "--resume") == MISUSED
    assert "another choice of prompts" in capsys.readouterr().err
    assert (out / "masklets.jsonl").read_bytes() == before


def test_resuming_nothing_starts_anew_and_says_so(
    clip: Path, out: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(clip, "--point", "10,8", "--resume") == DONE
    assert "starting anew" in capsys.readouterr().err
    assert list(results(out)) == list(range(NUM_FRAMES))


def test_a_picture_that_cannot_be_read(stills: Path, out: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (stills / "shot-5.png").read_bytes()
    (stills / "shot-5.png").write_bytes(whole[:200])
    assert run(stills, "--point", "10,8") == FAILED
    assert "shot-5.png" in capsys.readouterr().err.splitlines()[-1]
    assert list(results(out)) == [0, 1, 2, 3, 4]
    assert count_frames(out / "overlay.mp4") == 5
    (stills / "shot-5.png").write_bytes(whole)
    assert run(stills, "--point", "10,8", "--resume") == DONE
    assert list(results(out)) == list(range(NUM_FRAMES))


def test_a_file_that_ends_early(tmp_path: Path, out: Path, run: Run) -> None:
    path = tmp_path / "clip.mkv"
    with VideoWriter(path, SIZE, rate=10) as writer:
        for picture in pictures():
            writer.write(picture)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with closing(VideoFile(path)) as file:
        count = len(file)
    assert 0 < count < NUM_FRAMES
    assert run(path, "--point", "10,8") == DONE
    assert count_frames(out / "overlay.mkv") == len(results(out)) == count


def test_a_state_that_cannot_be_saved_is_told(
    clip: Path, out: Path, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(VideoSession, "save", full)
    Breaks(monkeypatch, 3, KeyboardInterrupt())
    assert run(clip, "--point", "10,8") == STOPPED
    errors = capsys.readouterr().err
    assert "the disk is full" in errors
    assert "--resume" not in errors
    assert count_frames(out / "overlay.mp4") == 3


def test_a_new_run_replaces_an_old_one(clip: Path, out: Path, run: Run) -> None:
    assert run(clip, *TWO_OBJECTS) == DONE
    assert run(clip, "--point", "10,8", "--max-frames", "2") == DONE
    assert len(list(out.glob("masks/*/*.png"))) == 2
    assert list(results(out)) == [0, 1]


def write_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("options", "words", "code"),
    [
        ((), "--point", MISUSED),
        (("--at", "8", "--point", "1,1"), "frames 0 to 7", MISUSED),
        (("--point", "41,1"), "object 1 on frame 0: point [41.0, 1.0] is outside the frame", MISUSED),
        (("--point", "1,1", "--prompts", "nonesuch.json"), "nonesuch.json", MISUSED),
        (("--mask", "nonesuch.png"), "nonesuch.png", FAILED),
        (("--point", "1,1", "--at", "5"), "--at 5", MISUSED),
        (("--point", "1,1", "--direction", "sideways"), "sideways", MISUSED),
        (("--point", "1,1", "--max-frames", "0"), "--max-frames", MISUSED),
    ],
)
def test_misuse_is_one_line(
    clip: Path, out: Path, run: Run, options: tuple[str, ...], words: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(clip, *options) == code
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert words in captured.err
    assert not out.exists()


def test_what_is_no_video(tmp_path: Path, out: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    write_sound(tmp_path / "sound.m4a")
    (tmp_path / "empty").mkdir()
    for video, words, code in (
        (tmp_path / "nonesuch.mp4", "there is no file", FAILED),
        (tmp_path / "sound.m4a", "only audio", FAILED),
        (tmp_path / "empty", "no pictures", FAILED),
        ("rtsp://camera/1", "camera or an address", MISUSED),
        ("0", "camera or an address", MISUSED),
    ):
        assert run(video, "--point", "1,1") == code
        captured = capsys.readouterr()
        assert captured.err.count("\n") == 1
        assert words in captured.err
    assert not out.exists()


def test_outputs_that_cannot_be(stills: Path, clip: Path, checkpoint: Path) -> None:
    before = sorted(stills.iterdir())
    assert Run(checkpoint, stills)(stills, "--point", "1,1") == MISUSED
    assert Run(checkpoint, clip)(clip, "--point", "1,1") == MISUSED
    assert sorted(stills.iterdir()) == before


def test_help_names_all_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["track", "--help"]) == DONE
    shown = capsys.readouterr().out
    assert "For example:" in shown
    for name in ("--point", "--box", "--mask", "--object", "--at", "--prompts", "--direction", "--resume"):
        assert name in shown


def test_cameras_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="/dev/video0"):
        command.open_whole("/dev/video0", command.RunFolder(tmp_path, Path("/dev/video0")))
