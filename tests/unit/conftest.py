"""A small video with true masks: two squares that move over noise, the second of which appears later."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.datasets.annotations import open_annotations
from masklet.datasets.sequences import VideoSequence
from masklet.io.label_maps import write_labels

SIZE = (40, 56)
NUM_FRAMES = 10


def square(object_id: int, index: int) -> np.ndarray:
    """The mask of object 1 or 2 on a frame."""
    mask = np.zeros(SIZE, bool)
    left, top = (4 + index, 6) if object_id == 1 else (34 - index, 22)
    mask[top : top + 12, left : left + 12] = True
    return mask


def picture(index: int) -> np.ndarray:
    """A frame: noise, and the squares with stripes of their own, which move with them."""
    frame = np.random.default_rng(0).integers(60, 120, (*SIZE, 3), dtype=np.uint8)
    for object_id in (1, 2):
        mask = square(object_id, index)
        texture = np.random.default_rng(object_id).integers(0, 256, (3, 3, 3), dtype=np.uint8)
        frame[mask] = texture.repeat(4, 0).repeat(4, 1).reshape(-1, 3)
    return frame


@pytest.fixture
def make_squares(tmp_path: Path) -> Callable[..., VideoSequence]:
    """`make_squares(name="squares", second_from=3, every=1, root=None)`: the video's files under root, `tmp_path` else.

    second_from: the frame on which object 2 appears. every: of the frames each so many-th one has masks.
    """

    def make(name: str = "squares", *, second_from: int = 3, every: int = 1, root: Path | None = None) -> VideoSequence:
        base = root or tmp_path
        frames, masks = base / "JPEGImages" / name, base / "Annotations" / name
        frames.mkdir(parents=True)
        masks.mkdir(parents=True)
        for index in range(NUM_FRAMES):
            Image.fromarray(picture(index)).save(frames / f"{index:05d}.png")
            if index % every == 0:
                labels = square(1, index).astype(np.int32)
                if index >= second_from:
                    labels[square(2, index)] = 2
                write_labels(masks / f"{index:05d}.png", labels)
        return VideoSequence(name=name, video=frames, annotations=open_annotations(masks))

    return make
