"""`Sam2VideoVideoProcessor`: every kind of video to the frames that an image processor makes of its pictures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from masklet.compat.transformers.image_processor import Sam2ImageProcessor
from masklet.compat.transformers.video_video_processor import Sam2VideoVideoProcessor

FRAMES = np.random.default_rng(0).integers(0, 256, (4, 30, 50, 3), dtype=np.uint8)
SIZE = {"height": 32, "width": 32}

KINDS: dict[str, Callable[[], Any]] = {
    "array": lambda: FRAMES,
    "tensor": lambda: torch.from_numpy(FRAMES).permute(0, 3, 1, 2),
    "pictures": lambda: [Image.fromarray(frame) for frame in FRAMES],
    "arrays": lambda: list(FRAMES),
    "one in a list": lambda: [FRAMES],
    "pictures in a list": lambda: [[Image.fromarray(frame) for frame in FRAMES]],
    "batch": lambda: FRAMES[None],
}


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_processed_as_pictures(kind):
    found = Sam2VideoVideoProcessor(size=SIZE)(KINDS[kind](), return_tensors="pt")
    expected = Sam2ImageProcessor(size=SIZE)(list(FRAMES), return_tensors="pt").pixel_values
    assert torch.equal(found.pixel_values_videos, expected[None])
    assert found.original_sizes.tolist() == [[30, 50]]
    assert found.reshaped_input_sizes.tolist() == [[32, 32]]


def test_several_videos_and_settings_for_one_call():
    processor = Sam2VideoVideoProcessor()
    found = processor([FRAMES, FRAMES[:, :20]], size=SIZE, do_normalize=False, do_rescale=False, return_tensors="pt")
    assert found.pixel_values_videos.shape == (2, 4, 3, 32, 32)
    assert found.pixel_values_videos.dtype == torch.uint8
    assert found.original_sizes.tolist() == [[30, 50], [20, 50]]
    assert processor.size == {"height": 1024, "width": 1024}
    single = processor(Image.fromarray(FRAMES[0]), size=SIZE, return_tensors="np")
    assert single.pixel_values_videos.shape == (1, 1, 3, 32, 32)


def test_some_frames_of_each_video():
    processor = Sam2VideoVideoProcessor(size=SIZE, do_sample_frames=True, num_frames=2, return_metadata=True)
    found = processor(FRAMES)
    assert len(found.pixel_values_videos[0]) == 2
    assert found.video_metadata[0].frames_indices.tolist() == [0, 2]
    found = processor(FRAMES, num_frames=1, video_metadata={"total_num_frames": 4, "fps": 2.0})
    assert found.video_metadata[0].frames_indices.tolist() == [0]
    assert processor(FRAMES, do_sample_frames=False).video_metadata[0].frames_indices.tolist() == [0, 1, 2, 3]


def test_settings_are_saved_and_loaded(tmp_path: Path):
    processor = Sam2VideoVideoProcessor(size=SIZE, image_mean=[0.1, 0.2, 0.3], num_frames=7)
    written = processor.save_pretrained(tmp_path)
    assert written == [str(tmp_path / "video_preprocessor_config.json")]
    loaded = Sam2VideoVideoProcessor.from_pretrained(tmp_path)
    assert loaded.to_dict() == processor.to_dict()
    assert loaded.to_dict()["video_processor_type"] == "Sam2VideoVideoProcessor"
    assert "mask_size" not in loaded.to_dict()


def test_of_a_folder_for_images_alone_its_settings_count(tmp_path: Path):
    Sam2ImageProcessor(size=SIZE).save_pretrained(tmp_path)
    assert Sam2VideoVideoProcessor.from_pretrained(tmp_path).size == SIZE


def test_masks_at_the_size_of_the_video():
    logits = torch.randn(2, 1, 8, 8)
    processor = Sam2VideoVideoProcessor(size=SIZE)
    square = F.interpolate(logits, (32, 32), mode="bilinear")[..., :24, :]
    expected = F.interpolate(square, (30, 50), mode="bilinear")
    (found,) = processor.post_process_masks([logits.numpy()], [(30, 50)], [(24, 32)], binarize=False)
    torch.testing.assert_close(found, expected)
    (found,) = processor.post_process_masks([logits], torch.tensor([[30, 50]]), [(24, 32)], mask_threshold=0.2)
    assert torch.equal(found, expected > 0.2)
    (found,) = processor.post_process_masks([logits], [(30, 50)], [(16, 16)], pad_size={"height": 16, "width": 16})
    assert found.shape == (2, 1, 30, 50)
    with pytest.raises(TypeError, match="tensors or arrays, not list"):
        processor.post_process_masks([[1.0]], [(30, 50)], [(24, 32)])


def test_what_goes_wrong_is_said():
    processor = Sam2VideoVideoProcessor(size=SIZE)
    with pytest.raises(ValueError, match="frame 1 is 50 x 20 pixels, but the first is 50 x 30"):
        processor([FRAMES[0], FRAMES[1, :20]])
    with pytest.raises(ValueError, match=r"has the shape \(3,\)"):
        processor(np.zeros(3))
    for nothing in ([], None, 5):
        with pytest.raises(ValueError, match="a video is a path, a URL"):
            processor(nothing)
    for nothing in (FRAMES[:0], [[]]):
        with pytest.raises(ValueError, match="a video without frames"):
            processor(nothing)
        with pytest.raises(ValueError, match="a video without frames"):
            processor.read_video(nothing)
    with pytest.raises(ValueError, match="2 videos were given, but a session has one"):
        processor.read_video([FRAMES, FRAMES])
    with pytest.raises(TypeError, match="has no setting 'mask_size'"):
        Sam2VideoVideoProcessor(mask_size=SIZE)
