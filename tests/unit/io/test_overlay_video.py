"""Overlay videos: from what a session yields, and from files."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from masklet.io.files import write_image
from masklet.io.masklets import MaskletsHeader, MaskletWriter, read_masklets
from masklet.io.overlay import OverlayStyle
from masklet.io.overlay_video import draw_video, write_overlay_video
from masklet.io.video import open_video
from masklet.io.video_writer import VideoWriter
from masklet.types import FrameMasks, Prompt

SIZE = (48, 64)


def found(index: int, *ids: int) -> FrameMasks:
    mask = np.zeros(SIZE, bool)
    mask[20:40, 4 * index : 4 * index + 24] = True
    return FrameMasks(
        frame_index=index,
        masks=dict.fromkeys(ids, mask),
        scores=dict.fromkeys(ids, 0.5),
        object_scores=dict.fromkeys(ids, 1.0),
        visible=dict.fromkeys(ids, True),
        prompted=frozenset(),
    )


@pytest.fixture
def frames() -> np.ndarray:
    return np.full((5, *SIZE, 3), 100, np.uint8)


def decode(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def left_edges(path: Path) -> list[int]:
    """Where the tint begins on each frame, below the caption."""
    return [int(np.flatnonzero(np.abs(frame[38].astype(int) - 100).max(-1) > 25).min()) for frame in decode(path)]


def test_frames_are_drawn_in_their_order(tmp_path: Path, frames: np.ndarray) -> None:
    def both_ways() -> Iterator[FrameMasks]:
        yield from (found(index, 1) for index in (2, 3, 1, 0))

    path = tmp_path / "overlay.mp4"
    assert write_overlay_video(path, frames, both_ways()) == 4
    edges = left_edges(path)
    assert len(edges) == 4
    assert edges == sorted(edges)
    assert edges[-1] - edges[0] > 8


def test_results_from_a_file_give_the_same(tmp_path: Path, frames: np.ndarray) -> None:
    results = [found(0, 1), found(3, 1, 7)]
    header = MaskletsHeader(video="clip", height=SIZE[0], width=SIZE[1], num_frames=5)
    with MaskletWriter(tmp_path / "masklets.jsonl", header) as writer:
        for frame in results:
            writer.write(frame)
    write_overlay_video(tmp_path / "a.mp4", frames, results)
    write_overlay_video(tmp_path / "b.mp4", frames, read_masklets(tmp_path / "masklets.jsonl")[1])
    np.testing.assert_array_equal(decode(tmp_path / "a.mp4"), decode(tmp_path / "b.mp4"))


def test_rate_and_times_are_those_of_the_source(tmp_path: Path, frames: np.ndarray) -> None:
    clip = tmp_path / "clip.mkv"
    with VideoWriter(clip, SIZE, rate=12) as writer:
        for frame in frames:
            writer.write(frame)
    assert write_overlay_video(tmp_path / "overlay.mkv", clip, [found(1, 1), found(2, 1)]) == 2
    with av.open(str(tmp_path / "overlay.mkv")) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx([0, 1 / 12], abs=1e-3)


def test_styles_and_prompts(tmp_path: Path, frames: np.ndarray) -> None:
    path = tmp_path / "overlay.mp4"
    prompts = {1: Prompt(points=[(50, 10)], labels=[1])}
    style = OverlayStyle(side_by_side=True)
    write_overlay_video(path, frames, [found(0, 1), found(1, 1)], prompts=prompts, style=style)
    first, second = decode(path)
    assert first.shape[1] > 2 * SIZE[1]
    corner = (slice(5, 15), slice(-20, -8))
    assert np.abs(first[corner].astype(int) - 100).max() < 30
    assert np.abs(second[corner].astype(int) - 100).max() > 60
    assert np.abs(first[:, : SIZE[1] - 4].astype(int) - 100).max() < 30  # the picture as it was


def test_a_video_that_is_not_drawn_to_the_end_is_whole(tmp_path: Path, frames: np.ndarray) -> None:
    source = open_video(frames)
    path = tmp_path / "overlay.mp4"
    drawing = draw_video(path, source, [found(index, 1) for index in range(5)])  # type: ignore[arg-type]
    assert [next(drawing), next(drawing)] == [0, 1]
    drawing.close()
    assert len(decode(path)) == 2


def test_a_source_that_was_given_stays_open(tmp_path: Path, frames: np.ndarray) -> None:
    for index, frame in enumerate(frames):
        write_image(tmp_path / f"{index}.png", frame)
    source = open_video(tmp_path)
    write_overlay_video(tmp_path / "overlay.mp4", source, [found(0, 1)])
    assert source[4].shape == (*SIZE, 3)  # type: ignore[index]
    source.close()


def test_what_cannot_be_drawn_is_refused(tmp_path: Path, frames: np.ndarray) -> None:
    path = tmp_path / "overlay.mp4"
    with pytest.raises(ValueError, match="results of frame 7, but the video has 5 frames"):
        write_overlay_video(path, frames, [found(7, 1)])
    with pytest.raises(ValueError, match="stream"):
        write_overlay_video(path, iter(frames), [found(0, 1)])
    with pytest.raises(ValueError, match="fits the picture"):
        write_overlay_video(path, frames[:, :40], [found(0, 1)])
    with pytest.raises(FileNotFoundError, match="no folder"):
        write_overlay_video(tmp_path / "none" / "overlay.mp4", frames, [found(0, 1)])
    assert write_overlay_video(path, frames, []) == 0
    assert not path.exists()
