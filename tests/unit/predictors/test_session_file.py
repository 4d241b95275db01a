"""Sessions on disk: they go on with the same numbers, in another process too, and damage is noticed."""

import copy
import json
import struct
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from masklet.checkpoint.save import save_model
from masklet.model import Sam2
from masklet.predictors import session_file
from masklet.predictors.session_file import fingerprint, read_session
from masklet.predictors.session_options import SessionOptions
from masklet.predictors.video import VideoSession
from masklet.tracking.policy import RELEASED_POLICY, TrackingPolicy

SIZE = (48, 64)
NUM_FRAMES = 20
VIDEO = np.random.default_rng(0).integers(0, 256, (NUM_FRAMES, *SIZE, 3), np.uint8)

GO_ON = """
import sys
from pathlib import Path
import numpy as np
import torch
from masklet.model import Sam2
from masklet.predictors.video import VideoSession

folder = Path(sys.argv[1])
saved = torch.load(folder / "weights.pt", weights_only=False)
model = Sam2(saved["config"]).eval()
model.load_state_dict(saved["weights"])
video = np.load(folder / "video.npy")
whole = VideoSession.load(folder / "whole", model, video)
stream = VideoSession.load(folder / "stream", model)
for name, found in {
    "whole": whole.propagate(return_logits=True),
    "stream": [stream.step(frame, return_logits=True) for frame in video[stream.newest_frame + 1 :]],
}.items():
    np.savez(folder / name, **{f"{frame.frame_index}.{id_}": x for frame in found for id_, x in frame.logits.items()})
"""


@pytest.fixture(scope="module")
def model(remembering_model) -> Sam2:
    return remembering_model


def begin(session: VideoSession) -> None:
    """A prompt of each kind on frame 0."""
    session.add_points(0, 1, [(20, 20), (3, 3)], [1, 0])
    session.add_box(0, 2, (5, 5, 40, 30))
    session.add_points(0, 2, [(31.3, 7.7)], [1])
    mask = np.zeros(SIZE, bool)
    mask[12:36, 16:48] = True
    session.add_mask(0, 30, mask)


def halfway(model, **policy) -> VideoSession:
    """A whole video, tracked to frame 9 and corrected on frame 6."""
    session = VideoSession(model, VIDEO, policy=replace(RELEASED_POLICY, **policy))
    begin(session)
    for _ in session.propagate(max_frames=10):
        pass
    session.add_points(6, 1, [(60, 40)], [1])
    for _ in session.propagate(start=6, max_frames=4):
        pass
    return session


def halfway_stream(model) -> VideoSession:
    session = VideoSession(model)
    for frame in VIDEO[:10]:
        session.step(frame)
        if session.newest_frame == 0:
            begin(session)
    session.add_points(9, 1, [(60, 40)], [1])
    return session


def rest_of(session: VideoSession) -> dict[str, np.ndarray]:
    if session.source is not None:
        found = list(session.propagate(return_logits=True))
    else:
        assert session.newest_frame is not None
        found = [session.step(frame, return_logits=True) for frame in VIDEO[session.newest_frame + 1 :]]
    return {f"{frame.frame_index}.{id_}": logits for frame in found for id_, logits in (frame.logits or {}).items()}


def same(a: dict, b: dict) -> None:
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(a[name], b[name], atol=1e-3, rtol=1e-3)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "session.masklet"
    halfway(model).save(path)
    return path


def rewritten(path, out, **changes):
    """The same file with entries of its header changed."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        metadata = json.loads(file.read(length))["__metadata__"]
    header = json.loads(metadata["session"]) | changes
    save_file(load_file(path), out, metadata={**metadata, "session": json.dumps(header)})
    return out


def test_a_session_goes_on_in_another_process_with_the_same_numbers(model, tmp_path):
    sessions = {"whole": halfway(model), "stream": halfway_stream(model)}
    for name, session in sessions.items():
        session.save(tmp_path / name)
    np.save(tmp_path / "video.npy", VIDEO)
    torch.save({"config": model.config, "weights": model.state_dict()}, tmp_path / "weights.pt")
    subprocess.run([sys.executable, "-c", GO_ON, str(tmp_path)], check=True, timeout=300)
    for name, session in sessions.items():
        with np.load(tmp_path / f"{name}.npz") as found:
            assert len(found) == 3 * (NUM_FRAMES if name == "whole" else NUM_FRAMES - 10)
            same(dict(found), rest_of(session))


def test_all_that_is_known_comes_back(model, saved):
    before, after = halfway(model), VideoSession.load(saved, model, VIDEO)
    assert after.object_ids == [1, 2, 30]
    assert after.tracker.policy == before.tracker.policy
    assert after.num_frames == NUM_FRAMES
    for id_ in after.object_ids:
        one, other = before.tracker.objects[id_], after.tracker.objects[id_]
        assert other.bank.conditioning == one.bank.conditioning
        assert (other.reverse, other.settled) == (one.reverse, one.settled)
        assert list(other.bank.features) == list(one.bank.features)
        for frame, kept in one.bank.features.items():
            assert other.bank.features[frame].load().dtype == torch.bfloat16
            assert torch.equal(other.bank.features[frame].load(), kept.load())
            assert torch.equal(other.bank.pointers[frame], one.bank.pointers[frame])
        for frame, result in one.results.items():
            again = other.results[frame]
            assert torch.equal(again.logits.load(), result.logits.load())
            assert (again.iou_score, again.object_score) == (result.iou_score, result.object_score)
        assert other.prompts.keys() == one.prompts.keys()


def test_prompts_come_back_exactly_and_can_be_added_to(model, saved):
    before, after = halfway(model), VideoSession.load(saved, model, VIDEO)
    for id_ in (1, 2):
        for frame, prompt in before.tracker.objects[id_].prompts.items():
            again = after.tracker.objects[id_].prompts[frame]
            assert again.mask is None
            assert prompt.points is not None
            assert again.points is not None
            assert torch.equal(again.points.coords, prompt.points.coords)
            assert torch.equal(again.points.labels, prompt.points.labels)
            assert (again.box is None, again.clicks is None) == (prompt.box is None, prompt.clicks is None)
    masks = [session.tracker.objects[30].prompts[0].mask for session in (before, after)]
    assert masks[0] is not None
    assert masks[1] is not None
    assert masks[0].any()
    assert torch.equal(masks[0], masks[1])
    answers = [session.add_points(0, 2, [(9, 9)], [0], return_logits=True) for session in (before, after)]
    assert answers[0].logits is not None
    assert answers[1].logits is not None
    np.testing.assert_allclose(answers[0].logits[2], answers[1].logits[2], atol=1e-5, rtol=1e-5)


def test_what_holds_is_not_computed_again(model, saved, monkeypatch):
    session = VideoSession.load(saved, model, VIDEO)
    monkeypatch.setattr(model, "encode_image", None)
    frames = [frame.frame_index for frame in session.propagate(start=6, max_frames=4)]
    assert frames == [6, 7, 8, 9]


def test_a_stream_keeps_its_newest_frame(model, tmp_path):
    session = halfway_stream(model)
    session.save(tmp_path / "stream")
    again = VideoSession.load(tmp_path / "stream", model)
    assert again.newest_frame == 9
    assert again.frame_size == SIZE
    assert np.array_equal(again.frame(9), VIDEO[9])
    for each in (session, again):
        each.add_points(9, 5, [(30, 30)], [1])
    same(rest_of(again), rest_of(session))
    with pytest.raises(ValueError, match="those before are 64 x 48"):
        again.step(VIDEO[0].transpose(1, 0, 2))


def test_a_stream_may_go_on_from_another_source(model, tmp_path):
    session = halfway_stream(model)
    session.save(tmp_path / "stream")
    again = VideoSession.load(tmp_path / "stream", model, iter(VIDEO[10:]))
    assert [frame.frame_index for frame in again.propagate()] == list(range(10, NUM_FRAMES))


@pytest.mark.parametrize("stream", [True, False])
def test_a_session_can_be_saved_before_anything_was_said(model, tmp_path, stream):
    VideoSession(model, None if stream else VIDEO).save(tmp_path / "empty")
    session = VideoSession.load(tmp_path / "empty", model, None if stream else VIDEO)
    assert session.object_ids == []
    assert session.newest_frame is None


def test_numbers_of_numpy_can_be_saved(model, tmp_path):
    """As they come from a map of labels, and from loops over arrays."""
    session = VideoSession(model, VIDEO)
    for id_ in np.unique([3, 7, 3]):
        session.add_points(np.int64(2), id_, [(20, 20)], [1])
    list(session.propagate(max_frames=2))
    session.save(tmp_path / "session")
    assert VideoSession.load(tmp_path / "session", model, VIDEO).object_ids == [3, 7]


@pytest.mark.parametrize("given", ["state on disk", "state on the cpu"])
def test_where_state_is_kept_is_chosen_anew(model, tmp_path, saved, given):
    state = tmp_path / "state" if given == "state on disk" else "cpu"
    session = VideoSession.load(saved, model, VIDEO, options=SessionOptions(state=state))
    if given == "state on disk":
        assert list((tmp_path / "state").rglob("*.safetensors"))
    session.save(tmp_path / "again")  # read from there, and written
    same(rest_of(VideoSession.load(tmp_path / "again", model, VIDEO)), rest_of(halfway(model)))
    same(rest_of(session), rest_of(halfway(model)))


def test_policy_and_options_come_back_unless_others_are_given(model, tmp_path):
    policy = TrackingPolicy(stability=None, memory_stride=2, max_conditioning_frames=3, corrections_condition=False)
    options = SessionOptions(non_overlapping=True, feature_cache_size=2)
    VideoSession(model, VIDEO, policy=policy, options=options).save(tmp_path / "session")
    again = VideoSession.load(tmp_path / "session", model, VIDEO)
    assert again.tracker.policy == policy
    assert again.options == options
    other = VideoSession.load(tmp_path / "session", model, VIDEO, options=SessionOptions())
    assert not other.options.non_overlapping
    assert other.tracker.policy == policy


@pytest.mark.parametrize("place", ["device", "cpu", "folder"])
def test_state_is_put_where_it_was_but_for_a_folder(model, tmp_path, place):
    """Which another machine may not have; then the CPU's memory, as what was too much for the device still is."""
    options = SessionOptions(state=tmp_path / "state" if place == "folder" else place)
    session = VideoSession(model, VIDEO, options=options)
    begin(session)
    session.save(tmp_path / "session")
    again = VideoSession.load(tmp_path / "session", model, VIDEO)
    assert again.options.state == ("cpu" if place == "folder" else place)
    same(rest_of(again), rest_of(session))


def test_a_video_with_a_path_is_found_again(model, tmp_path, monkeypatch):
    (tmp_path / "frames").mkdir()
    for index in range(3):
        Image.fromarray(VIDEO[index]).save(tmp_path / "frames" / f"{index}.png")
    monkeypatch.chdir(tmp_path)
    with VideoSession(model, "frames") as session:
        begin(session)
        session.save("session")
        expected = rest_of(session)
    monkeypatch.chdir("/")
    with VideoSession.load(tmp_path / "session", model) as again:
        same(rest_of(again), expected)
    (tmp_path / "frames").rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match="frames"):
        VideoSession.load(tmp_path / "session", model)
    VideoSession.load(tmp_path / "session", model, tmp_path / "elsewhere").close()


def test_a_video_without_a_path_is_to_be_given(model, saved):
    with pytest.raises(ValueError, match="give it as `video`"):
        VideoSession.load(saved, model)


def test_a_video_that_was_moved_is_to_be_given(model, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    Image.fromarray(VIDEO[0]).save(folder / "0.png")
    session = VideoSession(model, folder)
    begin(session)
    session.save(tmp_path / "session")
    folder = folder.rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match="frames, which is there no more: give it as `video`"):
        VideoSession.load(tmp_path / "session", model)
    assert VideoSession.load(tmp_path / "session", model, folder).masks(0).masks.keys() == {1, 2, 30}


@pytest.mark.parametrize(
    "video",
    [VIDEO[:19], VIDEO.transpose(0, 2, 1, 3).copy(), iter(VIDEO)],
    ids=["shorter", "of another size", "a stream"],
)
def test_another_video_is_refused(model, saved, video):
    with pytest.raises(ValueError, match=r"a video of 20 frames of \(height, width\) \(48, 64\), but this is a"):
        VideoSession.load(saved, model, video)


def test_another_model_is_refused(model, saved):
    other = Sam2(replace(model.config, image_size=128))
    with pytest.raises(ValueError, match="another model: its image_size is 64, not 128"):
        VideoSession.load(saved, other, VIDEO)
    other = Sam2(replace(model.config, absence_embedding=False))
    with pytest.raises(ValueError, match="another model: its absence_embedding is True, not False"):
        VideoSession.load(saved, other, VIDEO)


def test_other_weights_and_another_dtype_are_refused(model, saved):
    other = copy.deepcopy(model)
    other.no_memory.add_(1e-3)
    for wrong in (other, copy.deepcopy(model).to(torch.bfloat16)):
        assert fingerprint(wrong) != fingerprint(model)
        with pytest.raises(ValueError, match="other weights, or another dtype"):
            VideoSession.load(saved, wrong, VIDEO)
    assert fingerprint(copy.deepcopy(model)) == fingerprint(model)
    half = copy.deepcopy(model).to(torch.bfloat16)
    assert fingerprint(half) != fingerprint(copy.deepcopy(half).float())  # the same numbers


@pytest.mark.parametrize("part", [0.0, 0.001, 0.5, 0.999])
def test_a_file_that_was_cut_off_is_refused(model, saved, tmp_path, part):
    whole = saved.read_bytes()
    (tmp_path / "cut").write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(ValueError, match="cut is damaged"):
        VideoSession.load(tmp_path / "cut", model, VIDEO)


def test_what_is_no_session_is_refused(model, tmp_path, tiny_checkpoint):
    with pytest.raises(FileNotFoundError, match="no file"):
        read_session(tmp_path / "nothing", model)
    with pytest.raises(FileNotFoundError, match="no file"):
        read_session(tmp_path, model)
    save_file({"a": torch.zeros(2)}, tmp_path / "other")
    with pytest.raises(ValueError, match="does not hold a video session"):
        read_session(tmp_path / "other", model)
    with pytest.raises(ValueError, match="no session's file"):
        read_session(tiny_checkpoint, model)
    weights = save_model(model, tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match="does not hold a video session"):
        read_session(weights, model)


@pytest.mark.parametrize(
    "changes",
    [
        {"policy": {"speed": 3, "stability": None}},
        {"options": {"speed": 3}},
        {"objects": [{"id": 1}]},
        {"frame_size": True},
    ],
)
def test_a_header_that_does_not_fit_is_refused(model, saved, tmp_path, changes):
    with pytest.raises(ValueError, match="is damaged"):
        read_session(rewritten(saved, tmp_path / "odd", **changes), model)


def test_the_file_is_safetensors_and_holds_no_pickle(saved):
    data = saved.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    assert header["__metadata__"]["format"] == session_file.FORMAT
    assert json.loads(header["__metadata__"]["session"])["num_frames"] == NUM_FRAMES


def test_a_write_that_fails_leaves_the_file_that_was_there(model, tmp_path, monkeypatch):
    path = tmp_path / "session"
    session = halfway(model)
    session.save(path)
    before = path.read_bytes()

    def fail(tensors, to, metadata):
        to.write_bytes(b"half of it")
        raise OSError("no space left")

    monkeypatch.setattr(session_file, "save_file", fail)
    session.remove_object(2)
    with pytest.raises(OSError, match="no space left"):
        session.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError, match="no folder"):
        session.save(tmp_path / "missing" / "session")
