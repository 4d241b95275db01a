"""Pictures with objects that formats find hard: with holes, in parts, that touch by a corner, of one pixel."""

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from masklet.io.formats.picture import AnnotatedPicture, ObjectMask

SIZE = (120, 160)


def hard_masks() -> list[np.ndarray]:
    """Masks (H, W) that do not overlap."""
    ring = cv2.circle(np.zeros(SIZE, np.uint8), (40, 40), 30, 1, -1)
    cv2.circle(ring, (35, 42), 12, 0, -1)
    parts = np.zeros(SIZE, np.uint8)
    parts[5:45, 90:118] = parts[60:100, 80:120] = 1
    parts[70:80, 90:104] = 0
    touching = np.zeros(SIZE, np.uint8)
    touching[80:90, 5:15] = touching[90:100, 15:25] = 1
    pixel = np.zeros(SIZE, np.uint8)
    pixel[119, 159] = 1
    line = cv2.line(np.zeros(SIZE, np.uint8), (130, 10), (150, 70), 1)
    return [mask.astype(bool) for mask in (ring, parts, touching, pixel, line)]


@pytest.fixture
def hard_pictures() -> list[AnnotatedPicture]:
    """a/cup.jpg with the hard masks, with ids, labels and scores of their own, and jug.png without an object."""
    objects = tuple(
        ObjectMask.of_mask(mask, id_, label="cup" if id_ % 2 else "handle, left", score=id_ / 8)
        for id_, mask in enumerate(hard_masks(), start=1)
    )
    return [
        AnnotatedPicture(name="a/cup.jpg", height=SIZE[0], width=SIZE[1], objects=objects),
        AnnotatedPicture(name="jug.png", height=30, width=20, objects=()),
    ]


@pytest.fixture
def save_pictures(tmp_path: Path) -> Callable[[Iterable[AnnotatedPicture]], Path]:
    """The folder in which there are grey pictures of these names and sizes."""

    def save(pictures: Iterable[AnnotatedPicture]) -> Path:
        for picture in pictures:
            path = tmp_path / "pictures" / picture.name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((*picture.size, 3), 90, np.uint8)).save(path)
        return tmp_path / "pictures"

    return save
