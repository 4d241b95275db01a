"""Miniature data sets: pictures of noise, and masks of squares."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from masklet.io.label_maps import davis_palette
from masklet.ops.rle import encode_rle

SIZE = (24, 32)
FRAMES = ("00000", "00001", "00002")


def _labels(*ids: int) -> np.ndarray:
    """A label map with a square for each id, side by side."""
    labels = np.zeros(SIZE, np.uint8)
    for place, id_ in enumerate(ids):
        labels[4:12, 2 + 10 * place : 10 + 10 * place] = id_
    return labels


def _make_pictures(folder: Path, frames: Sequence[str] = FRAMES, size: tuple[int, int] = SIZE) -> Path:
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        noise = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{frame}.jpg")
    return folder


def _make_maps(folder: Path, maps: Mapping[str, np.ndarray], *, palette: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for frame, labels in maps.items():
        image = Image.fromarray(labels)
        if palette:
            image.putpalette(davis_palette())
        image.save(folder / f"{frame}.png")
    return folder


def _make_dataset(
    videos: Path,
    masks: Path,
    names: Sequence[str],
    *,
    frames: Sequence[str] = FRAMES,
    annotated: Sequence[str] | None = None,
    ids: Sequence[int] = (1, 2),
    per_object: bool = False,
) -> None:
    for name in names:
        _make_pictures(videos / name, frames)
        with_masks = frames if annotated is None else annotated
        if per_object:
            for id_ in ids:
                _make_maps(masks / name / f"{id_:03d}", dict.fromkeys(with_masks, _labels(255)), palette=False)
        else:
            _make_maps(masks / name, dict.fromkeys(with_masks, _labels(*ids)))


def _make_video(path: Path, num_frames: int = 9, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=24)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        for number in range(num_frames):
            pixels = np.full((*size, 3), 20 * number, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        file.mux(stream.encode(None))
    return path


def _make_masklets(path: Path, num_annotated: int = 3, ids: Sequence[int] = (0, 1), **changes: Any) -> dict[str, Any]:
    """A JSON file of SA-V; object `id` is a square, and empty in the first annotated frame if the id is odd."""
    of_frames = []
    for index in range(num_annotated):
        full = [_labels(1) > 0 if index or not id_ % 2 else np.zeros(SIZE, bool) for id_ in ids]
        of_frames.append([dict(encode_rle(mask)) for mask in full])
    value = {
        "video_id": path.stem,
        "video_frame_count": 4.0 * num_annotated,
        "video_height": float(SIZE[0]),
        "video_width": float(SIZE[1]),
        "masklet": of_frames,
        "masklet_id": list(ids),
    }
    value.update(changes)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return value


@pytest.fixture
def labels() -> Callable[..., np.ndarray]:
    """`labels(1, 2)`: a label map (24, 32) with a square for each id."""
    return _labels


@pytest.fixture
def make_pictures() -> Callable[..., Path]:
    """`make_pictures(folder, frames=..., size=...)`: JPEGs of noise."""
    return _make_pictures


@pytest.fixture
def make_maps() -> Callable[..., Path]:
    """`make_maps(folder, {"00000": labels}, palette=True)`: label maps as PNG."""
    return _make_maps


@pytest.fixture
def make_dataset() -> Callable[..., None]:
    """`make_dataset(videos, masks, names, frames=..., annotated=..., ids=..., per_object=False)`: whole sequences."""
    return _make_dataset


@pytest.fixture
def make_video() -> Callable[..., Path]:
    """`make_video(path, num_frames=9)`: an MP4."""
    return _make_video


@pytest.fixture
def make_masklets() -> Callable[..., dict[str, Any]]:
    """`make_masklets(path, num_annotated=3, ids=(0, 1), **changes)`: a JSON file of SA-V, and what it says."""
    return _make_masklets
