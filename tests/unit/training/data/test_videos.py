import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.datasets import open_dataset
from masklet.datasets.sequences import VideoSequence
from masklet.io.video_writer import VideoWriter
from masklet.ops.rle import encode_rle
from masklet.training.data.videos import VideoClips, VideoClipsConfig, open_video_clips, read_frames
from masklet.training.data.window import WindowConfig
from masklet.training.samples import Clip

MakeSquares = Callable[..., VideoSequence]

SHAPE = (40, 56)


def draw(clips: VideoClips, seed: int = 0, index: int = 0) -> Clip:
    return clips.draw(index, np.random.default_rng(seed))


def frame_of(sequence: VideoSequence, frame: np.ndarray) -> int:
    """Which of a sequence's frames these pixels are."""
    pictures = [np.asarray(Image.open(sequence.video / f"{index:05d}.png")) for index in range(10)]
    found = [index for index, picture in enumerate(pictures) if np.array_equal(picture, frame)]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("every", [1, 2])
def test_a_clip_is_consecutive_frames_with_their_masks(make_squares: MakeSquares, every: int):
    sequence = make_squares(every=every)
    clips = VideoClips([sequence], WindowConfig(num_frames=4, reverse_time_probability=0.5))
    directions = set()
    for seed in range(8):
        clip = draw(clips, seed)
        assert clip.frames.shape == (4, *SHAPE, 3)
        assert clip.masks[0].any((1, 2)).all()
        indices = [frame_of(sequence, frame) for frame in clip.frames]
        steps = set(np.diff(indices).tolist())
        assert steps in ({every}, {-every})
        directions |= steps
        for index, masks in zip(indices, clip.masks, strict=True):
            of_frame = sequence.annotations.read(f"{index:05d}")
            known = [mask.tobytes() for mask in of_frame.values()] + [bytes(SHAPE[0] * SHAPE[1])]
            assert all(mask.tobytes() in known for mask in masks)
    assert directions == {every, -every}


def test_objects_that_are_out_of_sight_later_have_empty_masks(make_squares: MakeSquares):
    sequence = make_squares(second_from=9)
    clips = VideoClips([sequence], WindowConfig(num_frames=3, reverse_time_probability=1.0))
    for seed in range(20):
        clip = draw(clips, seed)
        if frame_of(sequence, clip.frames[0]) == 9:
            areas = np.sort(clip.masks.sum((2, 3)), axis=1)
            assert areas[0].min() > 0
            assert areas[1:, 0].max() == 0
            return
    raise AssertionError("the last frame begins no clip")


def test_the_same_random_state_gives_the_same_clip_also_after_a_process(make_squares: MakeSquares):
    clips = VideoClips([make_squares()], WindowConfig(num_frames=2))
    again = pickle.loads(pickle.dumps(clips))
    np.testing.assert_array_equal(draw(clips, 5).frames, draw(again, 5).frames)
    np.testing.assert_array_equal(draw(clips, 5).masks, draw(again, 5).masks)


def test_only_the_frames_of_the_clip_are_read(make_squares: MakeSquares):
    sequence = make_squares(every=2)
    for index in range(1, 10, 2):
        (sequence.video / f"{index:05d}.png").write_bytes(b"damaged")
    assert draw(VideoClips([sequence], WindowConfig(num_frames=5))).frames.shape[0] == 5
    (sequence.video / "00004.png").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"00004\.png is not a picture"):
        draw(VideoClips([sequence], WindowConfig(num_frames=5)))


def test_videos_that_are_too_short_are_named_before_anything_is_read(make_squares: MakeSquares, tmp_path: Path):
    whole, short = make_squares("whole"), make_squares("short", every=2)
    with pytest.raises(ValueError, match=r"1 of 2 videos have masks of fewer frames than the 8 of a clip: short\."):
        VideoClips([whole, short], WindowConfig(num_frames=8))
    config = VideoClipsConfig(folder=tmp_path, num_frames=8, skip_short=True)
    assert [sequence.name for sequence in open_video_clips(config).sequences] == ["whole"]


def test_passes_with_each_video_several_times(make_squares: MakeSquares):
    sequences = [make_squares("a"), make_squares("b", every=5)]
    window = WindowConfig(num_frames=2)
    assert len(VideoClips(sequences, window)) == 2
    assert len(VideoClips(sequences, window, repeat=3)) == 6
    by_length = VideoClips(sequences, window, repeat=2, by_length=True)
    assert len(by_length) == 2 * (10 + 2)
    assert {len(draw(by_length, index=index).frames) for index in range(24)} == {2}


def test_a_list_includes_another_excludes_and_a_share_is_held_out(make_squares: MakeSquares, tmp_path: Path):
    names = [f"video{number:02d}" for number in range(20)]
    for name in names:
        make_squares(name, every=5)
    include, exclude = tmp_path / "include.txt", tmp_path / "exclude.txt"
    include.write_text("\n".join(names[:12]))
    exclude.write_text("\n".join(names[8:]))

    def taken(**settings: object) -> list[str]:
        config = VideoClipsConfig(folder=tmp_path, num_frames=2, **settings)  # pyright: ignore[reportArgumentType]
        return [sequence.name for sequence in open_video_clips(config).sequences]

    assert taken() == names
    assert taken(include=include, exclude=exclude) == names[:8]
    train, held_out = taken(held_out=0.3), taken(held_out=0.3, part="held_out")
    assert held_out
    assert sorted(train + held_out) == names
    exclude.write_text("other")
    assert taken(include=include, exclude=exclude) == names[:12]
    with pytest.raises(ValueError, match=r"exclude\.txt names no video"):
        taken(exclude=exclude)
    exclude.write_text("\n".join(names))
    with pytest.raises(ValueError, match=r"of the 20 videos .* none is left"):
        taken(exclude=exclude)


def test_the_training_split_is_the_default(make_squares: MakeSquares, tmp_path: Path):
    make_squares("dog", root=tmp_path / "train")
    clips = open_video_clips(VideoClipsConfig(folder=tmp_path, kind="mose"))
    assert draw(clips).frames.shape[0] == 8
    with pytest.raises(ValueError, match="sav has no split for training"):
        VideoClipsConfig(folder=tmp_path, kind="sav")


def write_video(path: Path, num_frames: int) -> list[np.ndarray]:
    frames = [np.full((32, 48, 3), 10 + 12 * index, np.uint8) for index in range(num_frames)]
    with VideoWriter(path, (32, 48), rate=24) as writer:
        for frame in frames:
            writer.write(frame)
    return frames


def test_masklets_in_json_of_every_fourth_frame_of_a_video_file(tmp_path: Path):
    written = write_video(tmp_path / "sav_000001.mp4", 20)
    mask = np.zeros((32, 48), bool)
    mask[4:9, 6:20] = True
    rles = [[dict(encode_rle(np.roll(mask, index, 1))), dict(encode_rle(mask & (index > 2)))] for index in range(5)]
    value = {"video_height": 32.0, "video_width": 48.0, "masklet": rles, "masklet_id": [0, 1]}
    (tmp_path / "sav_000001_manual.json").write_text(json.dumps(value))
    config = VideoClipsConfig(folder=tmp_path, kind="sav-train", num_frames=3, reverse_time_probability=0.5)
    clips = open_video_clips(config)
    starts = set()
    for seed in range(12):
        clip = draw(clips, seed)
        indices = [
            int(np.argmin([abs(float(frame.mean()) - float(own.mean())) for own in written])) for frame in clip.frames
        ]
        assert set(np.diff(indices).tolist()) in ({4}, {-4})
        starts.add(indices[0])
        for index, masks in zip(indices, clip.masks, strict=True):
            assert any(np.array_equal(own, np.roll(mask, index // 4, 1)) for own in masks)
        assert clip.masks.shape[1] == (2 if indices[0] > 8 else 1)
    assert len(starts) > 2
    with pytest.raises(ValueError, match="sav_000001 has masks of 5 frames, too few for a clip of 8"):
        draw(open_video_clips(VideoClipsConfig(folder=tmp_path, kind="sav-train")))
    assert "_frames" not in vars(clips.sequences[0].annotations)  # 50,000 videos' would fill the memory


def test_frames_that_are_missing_double_or_of_another_size_are_named(make_squares: MakeSquares, tmp_path: Path):
    sequence = make_squares()
    (sequence.video / "00003.png").unlink()
    with pytest.raises(
        FileNotFoundError, match="masks of frame 00003, which it does not have: its frames are 00000 to"
    ):
        draw(VideoClips([sequence], WindowConfig(num_frames=10)))
    Image.new("RGB", (20, 10)).save(sequence.video / "00003.png")
    with pytest.raises(ValueError, match=r"frame 00003 of .* is 20 x 10 pixels, but frame 00000 is 56 x 40"):
        draw(VideoClips([sequence], WindowConfig(num_frames=10)))
    Image.new("RGB", (56, 40)).save(sequence.video / "00003.jpg")
    with pytest.raises(ValueError, match=r"two pictures called 00003, 00003.jpg and 00003.png"):
        read_frames(sequence.video, ["00000"])
    write_video(tmp_path / "clip.mp4", 3)
    with pytest.raises(FileNotFoundError, match="masks of frame 00003, which it does not have"):
        read_frames(tmp_path / "clip.mp4", ["00003"])


@pytest.mark.parametrize("wrong", [{"kind": "coco"}, {"held_out": 1.0}, {"part": "test"}, {"repeat": 0}])
def test_wrong_settings_are_named(tmp_path: Path, wrong: dict):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is {next(iter(wrong.values()))!r}"):
        VideoClipsConfig(folder=tmp_path, **wrong)


def test_clips_of_davis(shared: Path):
    clips = VideoClips(open_dataset(shared / "data" / "davis_dev").sequences, WindowConfig())
    for index in range(len(clips)):
        clip = draw(clips, index=index)
        assert clip.frames.shape[:1] + clip.frames.shape[3:] == (8, 3)
        assert clip.masks.shape == (8, clip.masks.shape[1], *clip.frames.shape[1:3])
        assert 1 <= clip.masks.shape[1] <= 3
        assert clip.masks[0].any((1, 2)).all()
