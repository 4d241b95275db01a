"""What formats are tested with: a picture of masks that are hard to keep, and a video in which objects come and go."""

import numpy as np
import pytest

from masklet.io.formats.picture import AnnotatedPicture, ObjectMask, VideoInfo

SIZE = (60, 80)


def ring(y: float, x: float, outer: float, inner: float) -> np.ndarray:
    rows, columns = np.ogrid[: SIZE[0], : SIZE[1]]
    distance = np.hypot(rows - y, columns - x)
    return (distance <= outer) & (distance >= inner)


def rectangle(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return mask


@pytest.fixture
def hard_picture() -> AnnotatedPicture:
    """A hole, two parts, a pixel alone, all pixels, an overlap, and names that have to be escaped."""
    masks = {
        1: ring(25, 30, 20, 8),
        2: rectangle(2, 60, 12, 78) | rectangle(30, 62, 55, 70),
        4: rectangle(59, 79, 60, 80),
        7: rectangle(0, 0, *SIZE),
        9: rectangle(20, 20, 40, 60),
    }
    labels = ["cup", 'a "blue" <cup> & pot', "Täßchen", "cup", "object"]
    scores = [0.9375, 0.5, None, 0.0, 1.0]
    objects = tuple(
        ObjectMask.of_mask(mask, id_, label=label, score=score)
        for (id_, mask), label, score in zip(masks.items(), labels, scores, strict=True)
    )
    return AnnotatedPicture(name="kitchen/cups & 'pots'.jpg", height=SIZE[0], width=SIZE[1], objects=objects)


@pytest.fixture
def video() -> VideoInfo:
    return VideoInfo(name="films/cups.mp4", height=SIZE[0], width=SIZE[1], num_frames=10, frames_per_second=24.0)


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
            mask = np.zeros(SIZE, bool) if index in (6, 7) else there
            objects.append(ObjectMask.of_mask(mask, 3, label="pot", score=0.25))
        pictures.append(
            AnnotatedPicture(
                name=f"{index:05d}.jpg", height=SIZE[0], width=SIZE[1], objects=tuple(objects), frame_index=index
            )
        )
    return pictures
