"""`masklet everything` and `masklet convert` through the program, with the bundled model on drawn scenes."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from masklet.cli import everything_pictures, everything_video
from masklet.cli.main import DONE, FAILED, MISUSED, STOPPED, main
from masklet.io.files import read_mask_png, write_image
from masklet.io.formats.catalog import read_annotations
from masklet.io.images import read_image
from masklet.io.masklets import read_masklets
from masklet.io.video_writer import VideoWriter
from masklet.ops.rle import decode_rle
from masklet.predictors.mask_generator import MaskGenerator
from masklet.tracking.tracker import Tracker

QUICK = ("--points-per-side", "6", "--pred-iou-thresh", "0.75", "--device", "cpu")
SIZE = (96, 128)
NUM_FRAMES, APPEARS = 7, 3
"""A disc moves from the first frame on; a square stands beside it from this frame on."""


def disc(step: int = 0) -> np.ndarray:
    return cv2.circle(np.zeros(SIZE, np.uint8), (36 + 2 * step, 40), 20, 1, -1).astype(bool)


def square() -> np.ndarray:
    return cv2.rectangle(np.zeros(SIZE, np.uint8), (82, 55), (117, 85), 1, -1).astype(bool)


def scene(step: int = 0, *, with_square: bool = True) -> np.ndarray:
    picture = np.full((*SIZE, 3), (40, 60, 50), np.uint8)
    picture[disc(step)] = (230, 190, 40)
    if with_square:
        picture[square()] = (60, 90, 220)
    return picture


def iou(first: np.ndarray, second: np.ndarray) -> float:
    return (first & second).sum() / (first | second).sum()


def write_photos(folder: Path) -> Path:
    (folder / "more").mkdir(parents=True)
    for name, step in (("a.png", 0), ("b.png", 2), ("more/a.jpg", 4)):
        write_image(folder / name, scene(step))
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures of a disc and a square, one of them in a folder of its own."""
    return write_photos(tmp_path / "photos")


@pytest.fixture(scope="module")
def found_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Photos, and the folder of a run over two of them, to read from."""
    folder = write_photos(tmp_path_factory.mktemp("found") / "photos")
    out = folder.with_name("out")
    assert run(folder, "--output", out, "--no-overlay") == DONE
    return folder, out


def write_frames(folder: Path, begin: int = 0) -> Path:
    """Frames as pictures, in which nothing is lost that a model would miss."""
    folder.mkdir()
    for index in range(begin, NUM_FRAMES):
        write_image(folder / f"{index:05d}.png", scene(index, with_square=index >= APPEARS))
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_frames(tmp_path_factory.mktemp("video") / "clip")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    with VideoWriter(tmp_path / "film.mp4", SIZE, rate=10) as writer:
        for index in range(NUM_FRAMES):
            writer.write(scene(index, with_square=index >= APPEARS))
    return tmp_path / "film.mp4"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "new" / "out"


def run(*arguments: str | Path) -> int:
    stable = () if "--stability-score-thresh" in arguments else ("--stability-score-thresh", "0.95")
    return main(["everything", *map(str, arguments), *QUICK, *stable])


def masks_of(file: Path) -> list[np.ndarray]:
    return [decode_rle(found["segmentation"]) for found in json.loads(file.read_text())["annotations"]]


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


class Stops:
    """Makes something raise at its nth call, until it is mended; counts the calls that went well."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, at: int | None, error: BaseException
    ) -> None:
        self.at, self.done = at, 0
        original: Callable[..., Any] = getattr(owner, name)

        def stopping(*arguments: Any, **options: Any) -> Any:
            if self.at is not None and self.done == self.at:
                raise error
            result = original(*arguments, **options)
            self.done += 1
            return result

        monkeypatch.setattr(owner, name, stopping)


def test_everything_in_a_folder_and_what_a_pattern_finds(
    photos: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(photos, f"{photos}/**/*.*g", "--output", out) == DONE
    stems = ["a-png", "b", "a-jpg"]
    assert names(out) == sorted(["run.json", *(f"{stem}.{end}" for stem in stems for end in ("json", "overlay.jpg"))])
    for stem, step in zip(stems, (0, 2, 4), strict=True):
        found = masks_of(out / f"{stem}.json")
        assert any(iou(mask, disc(step)) > 0.9 for mask in found)
        assert any(iou(mask, square()) > 0.85 for mask in found)
        assert read_image(out / f"{stem}.overlay.jpg").shape == (*SIZE, 3)
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["picture", "masks", "seconds"]
    assert [Path(line[0]).name for line in lines[1:]] == ["a.png", "b.png", "a.jpg"]
    assert [int(line[1]) for line in lines[1:]] == [len(masks_of(out / f"{stem}.json")) for stem in stems]


def test_formats_hold_the_pictures_by_their_paths(photos: Path, out: Path) -> None:
    patterns = f"{photos}/**/*.*g"
    assert run(patterns, "--output", out, "--no-overlay", "--format", "coco", "labelme", "--format", "png") == DONE
    found = list(read_annotations("coco", out / "coco"))
    assert [picture.name for picture in found] == ["a.png", "b.png", "more/a.jpg"]
    for picture, stem in zip(found, ("a-png", "b", "a-jpg"), strict=True):
        expected = masks_of(out / f"{stem}.json")
        assert len(picture.objects) == len(expected)
        assert all(np.array_equal(a.mask, b) for a, b in zip(picture.objects, expected, strict=True))
    assert (out / "labelme" / "more" / "a.json").exists()
    assert np.array_equal(read_mask_png(out / "png" / "b" / "1.png"), masks_of(out / "b.json")[0])


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), STOPPED), (OSError(errno.ENOSPC, "No space left on device"), FAILED)]
)
@pytest.mark.parametrize("name", ["write_image", "write_mask_records"])
def test_a_run_that_is_stopped_goes_on(
    photos: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    name: str,
) -> None:
    options = (photos, photos / "more", "--output", out, "--format", "coco")
    stops = Stops(monkeypatch, everything_pictures, name, 1, error)
    assert run(*options) == code
    captured = capsys.readouterr()
    assert "1 of 3 pictures are in" in captured.err
    assert "--resume goes on" in captured.err
    assert code == STOPPED or "b.overlay.jpg could not" in captured.err or "b.json could not" in captured.err
    assert len(captured.out.splitlines()) == 2
    assert not (out / "coco").exists()
    assert [path.name for path in out.glob("*.json")] in (["run.json", "a-png.json"], ["a-png.json", "run.json"])
    first = (out / "a-png.json").read_bytes()

    stops.at, stops.done = None, 0
    assert run(*options, "--resume") == DONE
    assert stops.done == 2
    captured = capsys.readouterr()
    assert "1 of 3 pictures were done before" in captured.err
    assert len(captured.out.splitlines()) == 3
    assert (out / "a-png.json").read_bytes() == first
    assert len(list(read_annotations("coco", out / "coco"))) == 3
    assert not [name for name in names(out) if name.startswith(".")]


def test_other_settings_do_not_go_on(photos: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(photos, "--output", out) == DONE
    before = {name: (out / name).read_bytes() for name in names(out)}
    assert run(photos, "--output", out, "--box-nms-thresh", "0.5", "--image-size", "256", "--resume") == MISUSED
    assert "another choice of --image-size and --box-nms-thresh" in capsys.readouterr().err
    assert {name: (out / name).read_bytes() for name in names(out)} == before
    assert run(photos / "a.png", "--output", out, "--box-nms-thresh", "0.5") == DONE
    assert names(out) == ["a.json", "a.overlay.jpg", "run.json"]


def test_pictures_that_came_or_were_renamed_are_not_taken_for_done(photos: Path, out: Path) -> None:
    assert run(photos, "--output", out, "--no-overlay") == DONE
    (photos / "b.png").rename(photos / "b.bmp")
    write_image(photos / "c.png", scene(6))
    stamps = {name: (out / name).stat().st_mtime_ns for name in names(out)}
    assert run(photos, "--output", out, "--no-overlay", "--resume") == DONE
    changed = {name for name in names(out) if (out / name).stat().st_mtime_ns != stamps.get(name)}
    assert changed == {"b.json", "c.json", "run.json"}


def test_one_broken_picture_among_many(photos: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (photos / "a.png").read_bytes()
    (photos / "a.png").write_bytes(whole[:200])
    (photos / "text.jpg").write_text("no picture")
    options = (photos, photos / "none.png", "--output", out, "--format", "yolo", "coco")
    assert run(*options) == FAILED
    lines = capsys.readouterr().err.splitlines()
    assert [next(name for name in ("a.png", "text.jpg", "none.png") if name in line) for line in lines[:3]]
    assert lines[3] == "masklet: 3 failed, 1 of 4 pictures are done"
    assert [picture.name for picture in read_annotations("coco", out / "coco")] == ["b.png"]
    assert (out / "yolo" / "labels" / "b.txt").exists()
    (photos / "a.png").write_bytes(whole)
    assert run(*options, "--resume") == FAILED
    assert "2 failed, 2 of 4 pictures are done" in capsys.readouterr().err
    assert len(list(read_annotations("coco", out / "coco"))) == 2


def test_a_picture_too_long_to_be_drawn_does_not_stop_the_others(
    photos: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(photos / "a.png", np.zeros((8, 65501, 3), np.uint8))
    assert run(photos, "--output", out) == FAILED
    assert "a.overlay.jpg would be 65501 x 8 pixels" in capsys.readouterr().err
    assert names(out) == ["b.json", "b.overlay.jpg", "run.json"]
    assert run(photos, "--output", out, "--resume", "--no-overlay") == DONE
    assert (out / "a.json").exists()


def test_ctrl_c_while_formats_are_written_tells_how_to_go_on(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stops = Stops(monkeypatch, everything_pictures, "open_writer", 0, KeyboardInterrupt())
    options = (photos, "--output", out, "--no-overlay", "--format", "coco")
    assert run(*options) == STOPPED
    captured = capsys.readouterr()
    assert "2 of 2 pictures are in" in captured.err
    assert len(captured.out.splitlines()) == 3
    stops.at = None
    assert run(*options, "--resume") == DONE
    assert len(list(read_annotations("coco", out / "coco"))) == 2


def test_what_means_nothing_is_said_at_once(
    photos: Path, clip: Path, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    out = tmp_path / "out"
    for arguments, words, code in (
        ((photos, "--output", photos), "at once", MISUSED),
        ((photos, "--output", tmp_path / "file"), "is a file", MISUSED),
        ((photos, "--output", tmp_path / "file" / "out"), "is a file", MISUSED),
        ((photos, "--output", out, "--format", "coca"), "choose one of ", MISUSED),
        ((photos, "--output", out, "--format", "sav"), "videos alone", MISUSED),
        ((photos, "--output", out, "--stability-score-thresh", "2"), "stability_score_thresh is 2.0", MISUSED),
        ((photos, "--output", out, "--point-grids", tmp_path / "none.json"), "none.json", MISUSED),
        ((photos, "--output", out, "--look-again", "5"), "--look-again is for videos", MISUSED),
        ((clip, clip, "--output", out, "--video"), "takes one video", MISUSED),
        (("rtsp://camera", "--output", out, "--video"), "camera or an address", MISUSED),
        ((film, "--output", out), "film.mp4 is a video: follow what is in it with --video", MISUSED),
        ((f"{tmp_path}/*.gif", "--output", out), "no pictures match", FAILED),
        ((photos, "--output", out, "--model", "none.pt"), "none.pt", FAILED),
    ):
        assert run(*arguments) == code, arguments
        captured = capsys.readouterr()
        assert words in captured.err
        assert captured.err.count("\n") == 1
        assert not out.exists()


def test_next_to_nothing_is_told(photos: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(photos / "b.png", "--output", out, "--stability-score-thresh", "1") == DONE
    hint = capsys.readouterr().err
    assert hint.startswith("0 masks in 1 picture: a lower --pred-iou-thresh or --stability-score-thresh ")
    assert masks_of(out / "b.json") == []


def test_points_from_a_file(photos: Path, out: Path, tmp_path: Path) -> None:
    grids = tmp_path / "grids.json"
    grids.write_text(json.dumps([[[36 / 128, 40 / 96]]]))
    assert run(photos / "a.png", "--output", out, "--point-grids", grids) == DONE
    found = masks_of(out / "a.json")
    assert len(found) >= 1
    assert max(iou(mask, disc()) for mask in found) > 0.9


FOLLOW = ("--video", "--look-again", "2")


def by_frame(out: Path) -> dict[int, dict[int, np.ndarray]]:
    found = read_masklets(out / "masklets.jsonl")[1]
    return {
        frame: {record["id"]: decode_rle(record["segmentation"]) for record in records}
        for frame, records in found.items()
    }


@pytest.fixture(scope="module")
def whole(clip: Path) -> Path:
    """The folder of a run that is not stopped."""
    out = clip.with_name("whole")
    assert run(clip, *FOLLOW, "--output", out, "--format", "cvat", "sav") == DONE
    return out


def test_what_appears_in_a_video_is_followed_from_there(whole: Path) -> None:
    found = by_frame(whole)
    assert list(found) == list(range(NUM_FRAMES))
    assert all(set(found[frame]) == ({1} if frame < 4 else {1, 2}) for frame in found)  # looked at on 0, 2, 4, 6
    assert all(iou(masks[1], disc(frame)) > 0.85 for frame, masks in found.items())
    assert all(iou(masks[2], square()) > 0.8 for frame, masks in found.items() if frame >= 4)
    assert np.array_equal(read_mask_png(whole / "masks" / "2" / "00005.png"), found[5][2])
    assert (whole / "overlay.mp4").exists()
    assert not (whole / "session.safetensors").exists()
    tracks = list(read_annotations("sav", whole / "sav"))
    assert [picture.frame_index for picture in tracks] == [0, 4]
    assert np.array_equal(tracks[1].objects[1].mask, found[4][2])


def test_a_video_is_looked_at_once_if_not_told_otherwise(film: Path, out: Path) -> None:
    assert run(film, "--video", "--output", out, "--no-masks", "--no-overlay") == DONE
    assert names(out) == ["masklets.jsonl", "run.json"]
    assert all(set(masks) == {1} for masks in by_frame(out).values())


def test_objects_can_be_bounded_in_number(tmp_path: Path, out: Path) -> None:
    late = write_frames(tmp_path / "late", APPEARS)
    options = ("--output", out, "--max-objects", "1", "--format", "coco", "--no-overlay")
    assert run(late, *FOLLOW, *options) == DONE
    assert all(set(masks) == {1} for masks in by_frame(out).values())
    assert iou(by_frame(out)[0][1], disc(APPEARS)) > 0.85  # the larger one
    assert (out / "masks" / "1" / "00006.png").exists()
    found = list(read_annotations("coco", out / "coco"))
    assert [picture.name for picture in found] == [f"0000{index}.png" for index in range(APPEARS, NUM_FRAMES)]


def same(first: dict[int, dict[int, np.ndarray]], second: dict[int, dict[int, np.ndarray]]) -> bool:
    return first.keys() == second.keys() and all(
        masks.keys() == second[frame].keys() and all(np.array_equal(masks[id_], second[frame][id_]) for id_ in masks)
        for frame, masks in first.items()
    )


@pytest.mark.parametrize(
    ("owner", "name", "at", "num_done"),
    [
        (Tracker, "track", 5, 6),  # between two looks
        (Tracker, "track", 3, 4),  # before a frame that is looked at
        (MaskGenerator, "generate", 2, 4),  # while it is looked at
        (Tracker, "prompt", 1, 4),  # while what is new on it is told to the session
        (everything_video.ResultWriter, "write", 4, 4),  # after that, before it is written
        (MaskGenerator, "generate", 0, 0),
    ],
)
def test_a_stopped_video_goes_on_as_if_it_had_not_been(
    clip: Path,
    out: Path,
    whole: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    owner: Any,
    name: str,
    at: int,
    num_done: int,
) -> None:
    stops = Stops(monkeypatch, owner, name, at, KeyboardInterrupt())
    options = (clip, *FOLLOW, "--output", out, "--format", "sav", "--no-overlay")
    assert run(*options) == STOPPED
    assert f"{num_done} of {NUM_FRAMES} frames are in" in capsys.readouterr().err
    assert len(by_frame(out)) == num_done
    assert not (out / "sav").exists()
    stops.at = None
    tracked = Stops(monkeypatch, Tracker, "track", None, KeyboardInterrupt())
    assert run(*options, "--max-objects", "3", "--resume") == MISUSED
    assert "another choice of --max-objects" in capsys.readouterr().err
    assert run(*options, "--resume") == DONE
    assert tracked.done <= NUM_FRAMES - max(num_done, 1)
    assert same(by_frame(out), by_frame(whole))
    assert (out / "sav" / "clip_manual.json").exists()
    assert not (out / "session.safetensors").exists()


def test_a_video_with_nothing_in_it(tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with VideoWriter(tmp_path / "grey.mp4", SIZE, rate=10) as writer:
        for _ in range(3):
            writer.write(np.full((*SIZE, 3), 90, np.uint8))
    for options in ((), ("--look-again", "1")):
        strict = ("--stability-score-thresh", "1", "--output", str(out), "--format", "sav")
        assert run(tmp_path / "grey.mp4", "--video", *options, *strict) == DONE
        assert "nothing was found to follow: a lower --pred-iou-thresh" in capsys.readouterr().err
        assert by_frame(out) == {}


@pytest.mark.parametrize("through", ["coco", "sa1b", "yolo", "png", "geojson", "labelme", "label-studio", "cvat"])
def test_everything_converted_and_back(found_once: tuple[Path, Path], tmp_path: Path, through: str) -> None:
    photos, out = found_once
    there, back = tmp_path / "there", tmp_path / "back"
    assert main(["convert", str(out), "--to", through, "--output", str(there)]) == DONE
    options = ["--to", "coco", "--output", str(back), "--from", through, "--pictures", str(photos)]
    assert main(["convert", str(there), *options]) == DONE
    found = list(read_annotations("coco", back))
    assert [picture.name for picture in found] == ["a.png", "b.png"]
    for picture in found:
        expected = masks_of(out / f"{Path(picture.name).stem}.json")
        assert len(picture.objects) == len(expected)
        best = [max(iou(mask, known.mask) for known in picture.objects) for mask in expected]
        assert min(best) > 0.97


def test_a_video_converted_and_back(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = by_frame(whole)
    assert main(["convert", str(whole), "--to", "cvat", "--output", str(tmp_path / "cvat")]) == DONE
    assert capsys.readouterr().out == "10 masks on 7 frames from masklets to cvat\n"
    assert (tmp_path / "cvat" / "annotations.xml").read_text().count("<track ") == 2
    assert main(["convert", str(tmp_path / "cvat"), "--to", "sav", "--output", str(tmp_path / "sav")]) == DONE
    for picture in read_annotations("sav", tmp_path / "sav"):
        assert picture.frame_index is not None
        for known in picture.visible:
            assert iou(known.mask, found[picture.frame_index][known.id]) > 0.97
