"""Several pictures in one: side by side, or as a contact sheet."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import UInt8

from masklet.io.captions import draw_pill
from masklet.io.colours import Colour
from masklet.io.strokes import Pen

TITLE_COLOUR: Colour = (40, 40, 40)


def draw_side_by_side(*panels: np.ndarray, titles: Sequence[str] | None = None) -> UInt8[np.ndarray, "H W 3"]:
    """Pictures of one height in a row on white, such as one as it was and its overlay.

    panels: 8-bit RGB (H, W, 3). titles: one a panel, written in its upper left corner. ValueError where heights or
    numbers differ.
    """
    for panel in panels:
        _check_picture(panel)
    if len({panel.shape[0] for panel in panels}) != 1:
        heights = ", ".join(str(panel.shape[0]) for panel in panels)
        raise ValueError(f"pictures side by side are one or more of one height, not of {heights or 'none'}")
    if titles is not None and len(titles) != len(panels):
        raise ValueError(f"there are {len(panels)} pictures side by side and {len(titles)} titles")
    pen = Pen.for_size(*panels[0].shape[:2])
    shown = [panel.copy() for panel in panels]
    for panel, title in zip(shown, titles or [], strict=False):
        if title:
            draw_pill(panel, title, TITLE_COLOUR, (round(pen.marker / 2), round(pen.marker / 2)), pen.text)
    gap = np.full((len(shown[0]), max(2, round(pen.marker / 4)), 3), 255, np.uint8)
    return np.concatenate([part for panel in shown for part in (gap, panel)][1:], axis=1)


def draw_grid(
    images: Sequence[np.ndarray], columns: int | None = None, *, cell_size: tuple[int, int] = (360, 480), gap: int = 12
) -> UInt8[np.ndarray, "H W 3"]:
    """A contact sheet on white: each picture is fitted, whole, into a cell of (height, width) and centred there.

    images: 8-bit RGB of any sizes. columns: as near to a square as it goes, if not given. Smaller pictures are not
    enlarged.
    """
    if len(images) == 0:
        raise ValueError("there are no images for a grid")
    if columns is not None and columns < 1:
        raise ValueError(f"a grid has at least one column, not {columns}")
    columns = min(columns or math.ceil(math.sqrt(len(images))), len(images))
    cells = [_fit(image, cell_size) for image in images]
    cell_height = max(cell.shape[0] for cell in cells)
    cell_width = max(cell.shape[1] for cell in cells)
    num_rows = math.ceil(len(cells) / columns)
    sheet = np.full((num_rows * (cell_height + gap) + gap, columns * (cell_width + gap) + gap, 3), 255, dtype=np.uint8)
    for index, cell in enumerate(cells):
        row, column = divmod(index, columns)
        top = gap + row * (cell_height + gap) + (cell_height - cell.shape[0]) // 2
        left = gap + column * (cell_width + gap) + (cell_width - cell.shape[1]) // 2
        sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return sheet


def _fit(image: np.ndarray, cell_size: tuple[int, int]) -> np.ndarray:
    _check_picture(image)
    scale = min(cell_size[0] / image.shape[0], cell_size[1] / image.shape[1], 1.0)
    if scale == 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _check_picture(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"a picture to show is uint8 (H, W, 3), not {image.dtype} {image.shape}")
