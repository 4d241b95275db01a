"""Pictures with objects that formats find hard: with holes, in parts, that touch by a corner, of one pixel; a video."""

from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from PIL import Image

from masklet.io.formats.picture import AnnotatedPicture, ObjectMask, VideoInfo

SIZE = (120, 160)

SMALL = (60, 80)


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


@pytest.fixture(scope="session")
def brush() -> ModuleType:
    """Label Studio's own encoding of brush masks."""
    return pytest.importorskip(
        "label_studio_sdk.converter.brush", reason="label-studio-sdk is not here: make test installs it"
    )


@pytest.fixture(scope="session")
def datumaro_cvat() -> ModuleType:
    """Datumaro's reader of CVAT's XML."""
    return pytest.importorskip(
        "datumaro.plugins.data_formats.cvat.base", reason="datumaro is not here: make test installs it"
    )


def ring(y: float, x: float, outer: float, inner: float) -> np.ndarray:
    rows, columns = np.ogrid[: SMALL[0], : SMALL[1]]
    distance = np.hypot(rows - y, columns - x)
    return (distance <= outer) & (distance >= inner)


def rectangle(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros(SMALL, bool)
    mask[top:bottom, left:right] = True
    return mask


@pytest.fixture
def hard_picture() -> AnnotatedPicture:
    """A hole, two parts, a pixel alone, all pixels, an overlap, and names that have to be escaped."""
    masks = {
        1: ring(25, 30, 20, 8),
        2: rectangle(2, 60, 12, 78) | rectangle(30, 62, 55, 70),
        4: rectangle(59, 79, 60, 80),
        7: rectangle(0, 0, *SMALL),
        9: rectangle(20, 20, 40, 60),
    }
    labels = ["cup", 'a "blue" <cup> & pot', "Täßchen", "cup", "object"]
    scores = [0.9375, 0.5, None, 0.0, 1.0]
    objects = tuple(
        ObjectMask.of_mask(mask, id_, label=label, score=score)
        for (id_, mask), label, score in zip(masks.items(), labels, scores, strict=True)
    )
    return AnnotatedPicture(name="kitchen/cups & 'pots'.jpg", height=SMALL[0], width=SMALL[1], objects=objects)


@pytest.fixture
def video() -> VideoInfo:
    return VideoInfo(name="films/cups.mp4", height=SMALL[0], width=SMALL[1], num_frames=10, frames_per_second=24.0)


@pytest.fixture
def frames() -> list[AnnotatedPicture]:
    """Ten frames: object 1 moves throughout, 3 comes on frame 4 and is gone on 6 and 7, 2 goes on frame 3."""
    pictures = []
    for index in range(10):
        objects = [ObjectMask.of_mask(ring(25, 22 + 2 * index, 18, 7), 1, label="cup", score=0.5 + index / 32)]
        if index < 3:
            objects.append(ObjectMask.of_mask(rectangle(40, 4 + index, 58, 30), 2, score=0.75))
        if index >= 4:
            there = rectangle(5, 60, 25, 64 + index)
            mask = np.zeros(SMALL, bool) if index in (6, 7) else there
            objects.append(ObjectMask.of_mask(mask, 3, label="pot", score=0.25))
        pictures.append(
            AnnotatedPicture(
                name=f"{index:05d}.jpg", height=SMALL[0], width=SMALL[1], objects=tuple(objects), frame_index=index
            )
        )
    return pictures
