"""Sessions on real videos: the bundled clip, damaged copies of it, and streams that go on and on."""

import gc
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import masklet
from masklet.io.video import open_video
from masklet.io.video_writer import VideoWriter
from masklet.model import Sam2

REPOSITORY = Path(__file__).resolve().parents[2]
CLIP = REPOSITORY / "examples" / "media" / "bunny.mp4"
CLICKS = {1: (135, 150), 2: (400, 60), 3: (240, 240)}


@pytest.fixture(scope="module")
def model() -> Sam2:
    return masklet.load_model("nano", device="cpu")


def click_everywhere(session: masklet.VideoSession, frame_index: int = 0) -> None:
    for object_id, click in CLICKS.items():
        session.add_points(frame_index, object_id, [click], [1])


def compare(ours: masklet.FrameMasks, theirs: masklet.FrameMasks) -> None:
    assert ours.frame_index == theirs.frame_index
    assert ours.logits is not None
    assert theirs.logits is not None
    assert ours.logits.keys() == theirs.logits.keys()
    for object_id in ours.logits:
        np.testing.assert_allclose(ours.logits[object_id], theirs.logits[object_id], atol=1e-3, rtol=1e-3)
        assert ours.object_scores[object_id] == pytest.approx(theirs.object_scores[object_id], abs=1e-3, rel=1e-3)
        assert ours.scores[object_id] == pytest.approx(theirs.scores[object_id], abs=1e-3)


@pytest.mark.parametrize("policy", [masklet.TrackingPolicy(), masklet.TrackingPolicy(memory_stride=3)])
def test_a_stream_gives_the_numbers_of_the_whole_video(model, policy):
    with masklet.VideoSession(model, CLIP, policy=policy) as video:
        click_everywhere(video)
        whole = list(video.propagate(max_frames=18, return_logits=True))
        frames = [video.frame(index) for index in range(18)]
    stream = masklet.VideoSession(model, policy=policy)
    for index, frame in enumerate(frames):
        found = stream.step(frame, return_logits=True)
        if index == 0:
            click_everywhere(stream)
            found = stream.masks(0, return_logits=True)
        compare(found, whole[index])


def test_objects_in_a_batch_are_those_found_alone(model):
    with masklet.VideoSession(model, CLIP) as video:
        video.add_points(0, 1, [CLICKS[1]], [1])
        video.add_points(4, 2, [CLICKS[2]], [1])  # a history of another length
        video.add_box(2, 3, (57, 70, 214, 210))
        together = list(video.propagate(max_frames=10, return_logits=True))
    for object_id, frame_index in ((1, 0), (2, 4), (3, 2)):
        with masklet.VideoSession(model, CLIP) as video:
            if object_id == 3:
                video.add_box(2, 3, (57, 70, 214, 210))
            else:
                video.add_points(frame_index, object_id, [CLICKS[object_id]], [1])
            for found in video.propagate(start=0, max_frames=10, return_logits=True):
                assert found.logits is not None
                logits = together[found.frame_index].logits
                assert logits is not None
                np.testing.assert_allclose(found.logits[object_id], logits[object_id], atol=1e-3, rtol=1e-3)


def test_a_file_an_array_and_a_folder_are_the_same_video(model, tmp_path):
    source = open_video(CLIP)
    # Sixteen: in shorter videos pointers tell time by the video's length.
    frames = np.stack([source[index] for index in range(16)])  # type: ignore[index]
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f"frame{index + 8}.png")  # 9 before 10: natural order
    found = []
    for video in (CLIP, frames, tmp_path, torch.from_numpy(frames).permute(0, 3, 1, 2)):
        with masklet.VideoSession(model, video) as session:
            session.add_points(0, 1, [CLICKS[1]], [1])
            found.append(list(session.propagate(max_frames=4, return_logits=True)))
    for other in found[1:]:
        for ours, theirs in zip(other, found[0], strict=True):
            compare(ours, theirs)


def test_a_truncated_video_gives_the_frames_it_has(model, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(CLIP.read_bytes()[:120_000])
    with masklet.VideoSession(model, broken) as video:
        click_everywhere(video)
        found = []
        with pytest.raises(ValueError, match=r"broken\.mp4 breaks at frame \d+ of 60"):  # noqa: PT012 (what came before)
            for frame in video.propagate():
                found.append(frame.frame_index)
        assert found == list(range(len(found)))
        assert 10 < len(found) < 60
        assert list(video.masks(found[-1]).masks) == [1, 2, 3]
        # The session goes on: one more prompt, on a frame that can be read, and back from there.
        video.add_points(found[-1], 4, [(100, 100)], [1])
        back = list(video.propagate(direction="backward", max_frames=3))
        assert [frame.frame_index for frame in back] == [found[-1] - step for step in range(3)]


def test_a_bad_picture_in_a_folder_is_named_and_the_rest_can_be_used(model, tmp_path):
    frames = open_video(CLIP)
    for index in range(5):
        Image.fromarray(frames[index]).save(tmp_path / f"{index}.jpg")  # type: ignore[index]
    (tmp_path / "3.jpg").write_bytes(b"no picture")
    with masklet.VideoSession(model, tmp_path) as video:
        click_everywhere(video)
        with pytest.raises(ValueError, match=r"3\.jpg"):
            list(video.propagate())
        assert list(video.masks(2).masks) == [1, 2, 3]
        assert not video.masks(3).masks
        click_everywhere(video, frame_index=4)
        assert video.masks(4).prompted == {1, 2, 3}


def test_a_source_that_fails_midway_keeps_what_was_found(model):
    def camera() -> Iterator[np.ndarray]:
        source = open_video(CLIP)
        for index in range(3):
            yield source[index]  # type: ignore[index]
        raise ConnectionError("the camera was unplugged")

    session = masklet.VideoSession(model, camera())
    session.step()
    click_everywhere(session)
    with pytest.raises(ConnectionError, match="unplugged"):
        list(session.propagate())
    assert session.newest_frame == 2
    assert list(session.masks(2).masks) == [1, 2, 3]


def test_a_session_moves_to_another_folder_with_its_video(model, tmp_path):
    with masklet.VideoSession(model, CLIP) as video:
        click_everywhere(video)
        list(video.propagate(max_frames=5))
        video.save(tmp_path / "session.safetensors")
        expected = list(video.propagate(max_frames=8, return_logits=True))
    moved = shutil.copy(CLIP, tmp_path / "moved.mp4")
    with masklet.VideoSession.load(tmp_path / "session.safetensors", model, moved) as video:
        for ours, theirs in zip(video.propagate(max_frames=8, return_logits=True), expected, strict=True):
            compare(ours, theirs)


def test_the_guide_runs(monkeypatch, tmp_path):
    """All its examples, in order, on a clip of 60 frames, with a small input."""
    ground = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    with VideoWriter(tmp_path / "clip.mp4", (480, 640)) as writer:
        for index in range(60):
            writer.write(np.roll(ground, 3 * index, axis=1))
    small = masklet.load_model("nano", device="cpu", image_size=64)
    monkeypatch.setattr(masklet, "load_model", lambda name: small)
    monkeypatch.chdir(tmp_path)
    guide = (REPOSITORY / "docs" / "video.md").read_text().replace("/tmp", str(tmp_path / "state"))
    mask = np.zeros((480, 640), bool)
    mask[100:200, 100:300] = True
    names: dict = {"mask": mask, "camera": [ground, ground]}
    exec("\n".join(re.findall(r"```python\n(.*?)```", guide, re.DOTALL)), names)
    assert names["frame"].masks.keys() == {1, 3}
    assert names["session"].newest_frame == 1
    assert names["video"].options.non_overlapping


def resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc, as on Linux")
def test_a_stream_does_not_grow(tiny):
    torch.manual_seed(0)
    session = masklet.VideoSession(Sam2(tiny).eval())
    frame = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    for index in range(400):
        session.step(np.roll(frame, index, axis=1))
        if index == 0:
            for object_id in range(3):
                session.add_points(0, object_id, [(40 * object_id + 20, 60)], [1])
        if index == 100:
            gc.collect()
            before = resident()
    gc.collect()
    assert resident() - before < 10
