"""A video as the original's predictor sees it: which frames `init_state` takes, and its resizing rule."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from masklet.io.images import IMAGENET_MEAN, IMAGENET_STD, list_images
from masklet.io.video import open_video
from masklet.types import FrameSource

JPEG_EXTENSIONS = (".jpg", ".jpeg")


def open_frames(video_path: Any, read_ahead: int) -> FrameSource:
    """The frames of a video file (a path or its bytes), a folder of pictures, or whatever else masklet opens.

    Of a folder with JPEGs, those alone count, as in the original. NotImplementedError where the path leads nowhere, or
    for another type; RuntimeError for a folder without pictures; ValueError for a file without video, and for a stream,
    which has no length.
    """
    video = video_path
    if isinstance(video, str | Path):
        if not Path(video).exists():
            raise NotImplementedError(
                f"there is no video file and no folder of pictures {video}: give one of these, or the frames themselves"
            )
        if Path(video).is_dir():
            video = _pictures(Path(video))
    try:
        opened = open_video(video, read_ahead=read_ahead)
    except TypeError as error:
        raise NotImplementedError(str(error)) from error
    if not hasattr(opened, "__len__"):
        opened.close()
        raise ValueError("init_state takes a whole video, not a stream: masklet's VideoSession takes streams")
    return opened  # type: ignore[return-value]


def _pictures(folder: Path) -> list[Path]:
    pictures = list_images(folder)
    if not pictures:
        raise RuntimeError(f"no images found in {folder}: the frames of a video are JPEGs or other pictures")
    return [file for file in pictures if file.suffix.lower() in JPEG_EXTENSIONS] or pictures


def preprocess_frame(frame: np.ndarray, side: int) -> Tensor:
    """A frame as the original's folders are read: Pillow's bicubic on bytes to a square, then normalised (3, S, S)."""
    square = np.asarray(Image.fromarray(frame).resize((side, side)))
    pixels = torch.from_numpy(square / 255.0).to(torch.float32).permute(2, 0, 1)
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (pixels - mean) / std
