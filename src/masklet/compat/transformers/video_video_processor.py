"""`Sam2VideoVideoProcessor`: videos in, frames as the model sees them, in the words and numbers of `transformers`.

Each frame is processed as a picture by `Sam2ImageProcessor` would be. What differs from `transformers`, on purpose:
frames of different sizes are an error that says so, and a path may be a `Path`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from masklet.compat.transformers.batch import BatchFeature
from masklet.compat.transformers.image_processor import Sam2ImageProcessor
from masklet.compat.transformers.load_video import VideoMetadata, load_video, spread
from masklet.compat.transformers.nested import read_sizes
from masklet.compat.transformers.pixels import as_size, read_pictures
from masklet.ops.masks import resize_logits

_PER_CALL = ("input_data_format", "device", "return_tensors", "video_metadata")


class Sam2VideoVideoProcessor(Sam2ImageProcessor):
    """Makes of videos what the models take. Settings as those of `Sam2ImageProcessor`, and some of its own.

    do_sample_frames: take num_frames of each video, evenly spread, or fps a second, not all. return_metadata: also
    return what is known of each video.
    """

    names: ClassVar[Sequence[str]] = (
        *(name for name in Sam2ImageProcessor.names if name != "mask_size"),
        "do_sample_frames",
        "num_frames",
        "fps",
        "return_metadata",
    )
    type_key = "video_processor_type"
    file_names = ("video_preprocessor_config.json", *Sam2ImageProcessor.file_names)
    nested_keys = ("video_processor", *Sam2ImageProcessor.nested_keys)

    def __init__(self, **settings: Any) -> None:
        self.do_sample_frames = bool(settings.get("do_sample_frames"))
        self.num_frames: int | None = settings.get("num_frames")
        self.fps: float | None = settings.get("fps")
        self.return_metadata = bool(settings.get("return_metadata"))
        super().__init__(**settings)

    def __call__(self, videos: Any, **kwargs: Any) -> BatchFeature:  # type: ignore[override]
        """See `preprocess`."""
        return self.preprocess(videos, **kwargs)

    def preprocess(self, videos: Any, **kwargs: Any) -> BatchFeature:  # type: ignore[override]
        """What the models take of videos.

        videos: one, or a list: a path or an http(s) URL, a list of frames, an array (T, H, W, 3) or a tensor (T, 3, H,
        W). kwargs: settings for this call, `device` to work on, `input_data_format` where arrays do not tell,
        `video_metadata` (of each video; its fps is needed for sampling by fps), and `return_tensors`.

        Returns pixel_values_videos (B, T, 3, H, W) float32, original_sizes (B, 2) as (height, width), and
        reshaped_input_sizes (B, 2), those that frames were resized to.
        """
        call = {name: kwargs.pop(name, None) for name in _PER_CALL}
        now = self._with(kwargs)
        data: dict[str, Any] = {"original_sizes": [], "reshaped_input_sizes": [], "pixel_values_videos": []}
        metadata = []
        split = _split(videos)
        told = call["video_metadata"] or [None] * len(split)
        for video, known in zip(split, told if isinstance(told, list) else [told], strict=True):
            frames, of_video = now._read(video, known)
            metadata.append(of_video)
            pixels = list(now.process_frames(frames, call["device"], call["input_data_format"]))
            data["pixel_values_videos"].append(torch.stack(pixels))
            data["original_sizes"].append(frame_size(frames, call["input_data_format"]))
            data["reshaped_input_sizes"].append((now.size["height"], now.size["width"]))
        features = BatchFeature(data, tensor_type=call["return_tensors"])
        if now.return_metadata:
            features["video_metadata"] = metadata
        return features

    def process_frames(self, frames: Any, device: Any = None, channels: str | None = None) -> Iterator[Tensor]:
        """What the model sees of each frame (3, H, W), one by one. ValueError for frames of different sizes."""
        arithmetic, first = self.arithmetic(), None
        for number, frame in enumerate(frames):
            (picture,) = read_pictures(frame, convert_rgb=self.do_convert_rgb, channels=channels, device=device)
            size = tuple(picture.shape[-2:])
            first = first or size
            if size != first:
                raise ValueError(
                    f"frame {number} is {size[1]} x {size[0]} pixels, but the first is {first[1]} x {first[0]}: the "
                    "frames of a video have one size"
                )
            yield arithmetic.apply(picture)

    def read_video(self, video: Any) -> Any:
        """The frames of one video, not processed: of a path or URL those of the file, sampled as the settings say."""
        videos = _split(video)
        if len(videos) != 1:
            raise ValueError(f"{len(videos)} videos were given, but a session has one")
        return self._read(videos[0], None)[0]

    def post_process_masks(  # type: ignore[override]
        self,
        masks: Sequence[Tensor | np.ndarray],
        original_sizes: Any,
        reshaped_input_sizes: Any,
        mask_threshold: float = 0.0,
        binarize: bool = True,
        pad_size: dict[str, int] | None = None,
    ) -> list[Tensor]:
        """Low-res logits (B, M, h, w) of each video at its size: brought to pad_size, cut to reshaped_input_sizes, and
        resized to original_sizes, (height, width) each.

        pad_size: {"height", "width"}; None is `size`. TypeError for masks that are neither tensors nor arrays.
        """
        padded = self.size if pad_size is None else as_size(pad_size, "pad_size")
        processed = []
        sizes = read_sizes(original_sizes), read_sizes(reshaped_input_sizes, "reshaped_input_sizes")
        for of_video, original, (height, width) in zip(masks, *sizes, strict=True):
            logits = torch.from_numpy(of_video) if isinstance(of_video, np.ndarray) else of_video
            if not isinstance(logits, Tensor):
                raise TypeError(f"masks are tensors or arrays, not {type(logits).__name__}: give a list of these")
            square = resize_logits(logits, (padded["height"], padded["width"]))
            full = resize_logits(square[..., :height, :width], original)
            processed.append(full > mask_threshold if binarize else full)
        return processed

    def _read(self, video: Any, known: Any) -> tuple[Any, Any]:
        """The frames of a video, sampled, and what is known of it."""
        choice = (self.num_frames, self.fps) if self.do_sample_frames else (None, None)
        if isinstance(video, str | Path):
            return load_video(video, *choice)
        if len(video) == 0:
            raise ValueError("a video without frames was given: it must have at least one")
        metadata = VideoMetadata(len(video)) if known is None else VideoMetadata(**dict(known))
        metadata.total_num_frames = len(video)
        metadata.frames_indices = spread(metadata, *choice)
        if not self.do_sample_frames:
            return video, metadata
        return [video[index] for index in metadata.frames_indices.tolist()], metadata


def frame_size(frames: Any, channels: str | None = None) -> tuple[int, int]:
    """(height, width) of a video's frames."""
    (picture,) = read_pictures(frames[0], convert_rgb=False, channels=channels)
    return (picture.shape[-2], picture.shape[-1])


def _split(videos: Any) -> list[Any]:
    """Each video: a path, or frames. ValueError for what is none."""
    if isinstance(videos, str | Path):
        return [videos]
    if isinstance(videos, Image.Image):
        return [[videos]]
    if isinstance(videos, np.ndarray | Tensor):
        if videos.ndim not in (3, 4, 5):
            raise ValueError(
                f"a video has the axes (frames, height, width, 3), or of tensors (frames, 3, height, width), but this "
                f"has the shape {tuple(videos.shape)}"
            )
        return list(videos) if videos.ndim == 5 else [videos if videos.ndim == 4 else videos[None]]
    if not isinstance(videos, list | tuple) or not videos:
        raise ValueError(f"a video is a path, a URL, frames in a list, or an array, not {videos!r:.80}")
    if _is_frame(videos[0]):
        return [videos]
    return [one for video in videos for one in ([video] if isinstance(video, list | tuple) else _split(video))]


def _is_frame(value: Any) -> bool:
    return isinstance(value, Image.Image) or (isinstance(value, np.ndarray | Tensor) and value.ndim < 4)
