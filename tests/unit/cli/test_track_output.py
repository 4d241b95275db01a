"""The output folder of `masklet track`: what is written, kept, removed, and refused."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from masklet.cli.console import UsageError
from masklet.cli.options import Box, Click
from masklet.cli.track_output import ResultWriter, RunFolder, draw_video, frame_names, join_prompts, summarise
from masklet.cli.track_prompts import ObjectPrompt
from masklet.io.files import read_mask_png
from masklet.io.masklets import read_masklets
from masklet.io.overlay import OverlayStyle
from masklet.io.video import open_video
from masklet.io.video_writer import VideoWriter
from masklet.types import FrameMasks, FrameSource

SIZE = (30, 40)
RUN = {"prompts": [{"frame": 0}], "hole_area": 8.0}


def found(index: int, *ids: int, visible: bool = True) -> FrameMasks:
    mask = np.zeros(SIZE, bool)
    mask[5:15, index : index + 10] = visible
    return FrameMasks(
        frame_index=index,
        masks=dict.fromkeys(ids, mask),
        scores=dict.fromkeys(ids, 0.25 * index),
        object_scores=dict.fromkeys(ids, 1.0 if visible else -1.0),
        visible=dict.fromkeys(ids, visible),
        prompted=frozenset(),
    )


@pytest.fixture
def source() -> FrameSource:
    source = open_video(np.full((5, *SIZE, 3), 100, np.uint8))
    assert hasattr(source, "__len__")
    return source  # type: ignore[return-value]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "out", tmp_path / "clip.mp4")
    folder.begin(RUN)
    return folder


@pytest.mark.parametrize(
    ("video", "overlay"),
    [("a.mp4", ".mp4"), ("a.MOV", ".mov"), ("a.mkv", ".mkv"), ("a.webm", ".webm"), ("a.avi", ".mp4"), ("a", ".mp4")],
)
def test_the_container_is_that_of_the_source(tmp_path: Path, video: str, overlay: str) -> None:
    (tmp_path / video).touch()
    assert RunFolder(tmp_path, tmp_path / video).overlay.name == f"overlay{overlay}"


def test_a_folder_called_like_a_video_gives_mp4(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").mkdir()
    assert RunFolder(tmp_path, tmp_path / "a.mkv").overlay.name == "overlay.mp4"


def test_outputs_that_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file"):
        RunFolder(tmp_path / "file", tmp_path / "a.mp4").check()
    (tmp_path / "overlay.mp4").touch()
    (tmp_path / "masks" / "1").mkdir(parents=True)
    for video in (tmp_path, tmp_path / "overlay.mp4", tmp_path / "masks" / "1"):
        with pytest.raises(UsageError, match="at once"):
            RunFolder(tmp_path, video).check()
    RunFolder(tmp_path, tmp_path / "a.mp4").check()


def test_what_an_earlier_run_left_is_removed_and_nothing_else(folder: RunFolder) -> None:
    (folder.masks / "1").mkdir(parents=True)
    (folder.masks / "mine").mkdir()
    kept = [folder.path / "notes.txt", folder.masks / "mine" / "a.png", folder.masks / "1" / "a.txt"]
    gone = [folder.session, folder.masklets, folder.path / "overlay.mkv", folder.masks / "1" / "00000.png"]
    for path in (*kept, *gone):
        path.touch()
    folder.begin(RUN)
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)


def test_a_video_in_the_folder_is_not_removed(tmp_path: Path) -> None:
    video = tmp_path / "overlay.webm"
    video.touch()
    folder = RunFolder(tmp_path, video)
    folder.begin(RUN)
    assert video.exists()


def test_only_a_stopped_run_with_the_same_prompts_goes_on(folder: RunFolder) -> None:
    assert not folder.can_resume(RUN)
    folder.session.touch()
    assert folder.can_resume(RUN)
    with pytest.raises(UsageError, match="another choice of --hole-area:"):
        folder.can_resume({**RUN, "hole_area": 0.0})
    with pytest.raises(UsageError, match="another choice of prompts and --hole-area:"):
        folder.can_resume({"prompts": [], "hole_area": 0.0})
    folder.run.write_text("{")
    with pytest.raises(UsageError, match="damaged"):
        folder.can_resume(RUN)


def test_names_of_frames(tmp_path: Path, source: FrameSource) -> None:
    assert frame_names(source) == ["00000", "00001", "00002", "00003", "00004"]
    for name in ("a.png", "b10.png", "b9.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    pictures = open_video(tmp_path)
    assert frame_names(pictures) == ["a", "b9", "b10"]  # type: ignore[arg-type]
    pictures.close()
    Image.new("RGB", (4, 4)).save(tmp_path / "A.jpg")
    pictures = open_video(tmp_path)
    assert frame_names(pictures) == ["00000", "00001", "00002", "00003"]  # type: ignore[arg-type]
    pictures.close()


def test_results_are_there_as_they_come(folder: RunFolder, source: FrameSource) -> None:
    writer = ResultWriter(folder, source)
    assert writer.write(found(2, 1, 7))
    assert np.array_equal(read_mask_png(folder.masks / "7" / "00002.png"), found(2, 1).masks[1])
    assert [record["id"] for record in read_masklets(folder.masklets)[1][2]] == [1, 7]
    writer.close()


def test_what_is_there_is_not_written_again(folder: RunFolder, source: FrameSource) -> None:
    writer = ResultWriter(folder, source)
    assert writer.write(found(2, 1))
    assert not writer.write(found(2, 1))
    writer.close()
    again = ResultWriter(folder, source, resume=True)
    assert not again.write(found(2, 1))
    assert again.write(found(2, 1, 3))
    assert again.write(found(1, 1))
    again.close()
    records = read_masklets(folder.masklets)[1]
    assert {frame: [record["id"] for record in of] for frame, of in records.items()} == {1: [1], 2: [1, 3]}


def test_without_pictures(folder: RunFolder, source: FrameSource) -> None:
    writer = ResultWriter(folder, source, pictures=False)
    writer.write(found(0, 1))
    writer.close()
    assert not folder.masks.exists()


def write_results(folder: RunFolder, source: FrameSource, frames: list[FrameMasks]) -> dict:
    writer = ResultWriter(folder, source)
    for frame in frames:
        writer.write(frame)
    writer.close()
    return read_masklets(folder.masklets)[1]


def decode(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_the_video_is_drawn_in_order(folder: RunFolder, source: FrameSource) -> None:
    records = write_results(folder, source, [found(3, 1), found(4, 1), found(2, 1)])
    assert list(draw_video(folder, source, [], records)) == [2, 3, 4]
    frames = decode(folder.overlay)
    assert [frame.shape for frame in frames] == [(*SIZE, 3)] * 3
    tinted = [np.flatnonzero(np.abs(frame[10].astype(int) - 100).max(-1) > 25).min() for frame in frames]
    assert tinted == sorted(tinted)


def test_a_video_that_is_not_drawn_to_the_end_is_whole(folder: RunFolder, source: FrameSource) -> None:
    records = write_results(folder, source, [found(0, 1), found(1, 1), found(2, 1)])
    for index in draw_video(folder, source, [], records):
        if index == 1:
            break
    assert len(decode(folder.overlay)) == 2


def test_rate_and_codec_are_those_of_the_source(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mkv"
    with VideoWriter(clip, SIZE, rate=12) as writer:
        for _ in range(5):
            writer.write(np.full((*SIZE, 3), 100, np.uint8))
    source = open_video(clip)
    assert not isinstance(source, type(iter(())))
    folder = RunFolder(tmp_path / "out", clip)
    folder.begin(RUN)
    records = write_results(folder, source, [found(1, 1), found(2, 1)])  # type: ignore[arg-type]
    assert list(draw_video(folder, source, [], records)) == [1, 2]  # type: ignore[arg-type]
    source.close()
    with av.open(str(tmp_path / "out" / "overlay.mkv")) as container:
        assert container.streams.video[0].average_rate == Fraction(12)
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx([0, 1 / 12], abs=1e-3)


def test_what_is_said_on_a_frame_is_drawn_as_one_prompt() -> None:
    one = ObjectPrompt(frame=0, object_id=1, clicks=(Click(20, 15), Click(1, 2, 0)))
    two = ObjectPrompt(frame=0, object_id=2, clicks=(Click(3, 4),), box=Box(5, 5, 30, 20))
    mask = ObjectPrompt(frame=3, object_id=2, mask=np.ones(SIZE, bool))
    joined = join_prompts([one, two, mask])
    assert joined.keys() == {0, 3}
    assert joined[0].points == [(20, 15), (1, 2), (3, 4)]
    assert joined[0].labels == [1, 0, 1]
    assert joined[0].boxes == [(5, 5, 30, 20)]
    assert joined[3].points is joined[3].boxes is None


def test_prompts_are_drawn_on_their_frame(folder: RunFolder, source: FrameSource) -> None:
    records = write_results(folder, source, [found(0, 1, visible=False), found(1, 1, visible=False)])
    prompt = ObjectPrompt(frame=1, object_id=1, box=Box(5, 5, 30, 20))
    assert list(draw_video(folder, source, [prompt], records, OverlayStyle(side_by_side=True))) == [0, 1]
    marked = [
        int(np.abs(frame.astype(int) - frame[0, 0]).max()) > 60
        for frame in (f[:, -20:] for f in decode(folder.overlay))
    ]
    assert marked == [False, True]
    assert decode(folder.overlay)[0].shape[1] > 2 * SIZE[1]


def test_the_summary_counts_what_is_seen(folder: RunFolder, source: FrameSource) -> None:
    records = write_results(folder, source, [found(1, 7), found(3, 7, 2, visible=False), found(2, 7)])
    assert summarise(records) == [("2", "1", "0", "-", "-", "-"), ("7", "3", "2", "0.375", "1", "2")]
