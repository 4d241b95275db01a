"""Cut-outs from pictures: those that have an alpha channel, and objects that masks tell apart.

The alpha of an object from a mask is soft at its rim, and its colours there are those of its inside, spread
outward, so that nothing of its old background shines through.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from masklet.datasets.mask_files import MaskedPicture, open_masks, pair_masks
from masklet.io.images import read_image
from masklet.training.scenes.colours import spread_colours
from masklet.training.scenes.parts import read_sources, write_part

KINDS = ("photo", "drawing", "clipart", "emoji", "emoji3d")
"""Of cut-outs, in the order of the index's numbers. `emoji3d` are rendered ones."""

PHOTO_SIDE = 320
DRAWING_SIDE = 224
"""Longest sides of cut-outs in pixels; drawings need no more than a scene shows."""

MIN_SIDE = 24
"""Cut-outs that are smaller or thinner make bad masks."""

MAX_READ_SIDE = 900
"""Pictures with alpha are shrunk to this before they are looked at."""

PART_BYTES = 2**26
"""Cut-outs are written whenever so much has come together."""

RIM = 2
"""Pixels at the edge of a labelled object whose colours are not trusted."""

FEATHER = 0.7
"""Sigma in pixels of the rim of a labelled object's alpha."""

MAX_BORDER = 0.05
"""Share of an object's outline that may lie on the picture's border; more of one was cut off."""

VOID = "255"
"""Label of pixels that belong to nothing, where there are other labels; alone it is the object of a black and white
mask."""

Cutouts: TypeAlias = list[tuple[np.ndarray, str]]
"""Pictures, uint8 (H, W, 4), and their kinds."""


class CutoutSource(NamedTuple):
    """A file's cut-outs, by a name that stays the same from run to run. `read` may raise ValueError naming the file."""

    name: str
    read: Callable[[], Cutouts]


def prepare_cutouts(sources: Iterable[CutoutSource], root: Path) -> dict[str, int]:
    """Write cut-outs of all sources that were not looked at yet; returns how many there are of each kind.

    Sources that had none, or only such as make bad masks, are counted as `unfit`.
    """
    done = read_sources(root, "cutouts")
    counts: Counter[str] = Counter()
    pixels: list[np.ndarray] = []
    index: list[tuple[int, int, int, int]] = []
    names: list[str] = []

    def write() -> None:
        if names:
            flat = np.concatenate(pixels) if pixels else np.zeros(0, np.uint8)
            arrays = {"cutouts": flat, "cutouts_index": np.array(index, np.int64).reshape(-1, 4)}
            write_part(root, "cutouts", arrays, names)
            counts.update(KINDS[row[3]] for row in index)
        for collected in (pixels, index, names):
            collected.clear()

    try:
        for source in sources:
            if source.name in done:
                continue
            cleaned = [
                (clean_cutout(rgba, PHOTO_SIDE if kind == "photo" else DRAWING_SIDE), KINDS.index(kind))
                for rgba, kind in source.read()
            ]
            counts["unfit"] += all(rgba is None for rgba, _ in cleaned)
            offset = sum(map(len, pixels))
            for rgba, number in cleaned:
                if rgba is not None:
                    index.append((offset, rgba.shape[0], rgba.shape[1], number))
                    pixels.append(rgba.ravel())
                    offset += rgba.size
            names.append(source.name)
            if offset > PART_BYTES:
                write()
    finally:  # what was done so far is kept, whatever stops the rest
        write()
    return {kind: counts[kind] for kind in (*KINDS, "unfit")}


def clean_cutout(rgba: UInt8[np.ndarray, "H W 4"], side: int) -> UInt8[np.ndarray, "h w 4"] | None:
    """Trim a picture to its opaque part, shrink it to `side` and multiply its colours by alpha.

    Returns None for pictures that make bad masks: mostly translucent, thin, scattered, tiny, or without alpha.
    """
    opaque = rgba[..., 3] > 127
    if not opaque.any() or opaque.mean() > 0.995:
        return None
    if opaque.sum() < 0.8 * (rgba[..., 3] > 8).sum():
        return None
    count, _, stats, _ = cv2.connectedComponentsWithStats(opaque.astype(np.uint8))
    if stats[1:count, cv2.CC_STAT_AREA].max() < 0.8 * opaque.sum():
        return None
    x, y, width, height = cv2.boundingRect(opaque.astype(np.uint8))
    rgba = rgba[y : y + height, x : x + width]
    if min(height, width) < MIN_SIDE or (rgba[..., 3] > 127).mean() < 0.2:
        return None
    alpha = rgba[..., 3:].astype(np.float32) / 255.0
    packed = np.concatenate([rgba[..., :3] * alpha, rgba[..., 3:]], -1)
    scale = min(1.0, side / max(height, width))
    if scale < 1.0:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        packed = cv2.resize(packed, size, interpolation=cv2.INTER_AREA)
    return (packed + 0.5).clip(0, 255).astype(np.uint8)


def looks_photographed(rgba: UInt8[np.ndarray, "H W 4"]) -> bool:
    """Whether a cut-out's colours vary as in a photograph: many distinct ones for its size."""
    inside = rgba[rgba[..., 3] > 200][:, :3] >> 3
    if len(inside) < 100:
        return False
    sample = inside[:: max(1, len(inside) // 4000)].astype(np.int32)
    codes = (sample[:, 0] << 10) | (sample[:, 1] << 5) | sample[:, 2]
    return len(np.unique(codes)) > 0.06 * len(sample)


def read_rgba(path: Path) -> UInt8[np.ndarray, "H W 4"] | None:
    """A picture with its alpha, made smaller where it is large; None where it cannot be read or is gigantic."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)  # a few clip arts are gigantic
            image = Image.open(path)
        with image:
            if max(image.size) > MAX_READ_SIDE:
                image.thumbnail((MAX_READ_SIDE, MAX_READ_SIDE))
            return np.array(image.convert("RGBA"))
    except (OSError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None


def read_cutout(path: Path) -> Cutouts:
    """The cut-out in a file: a photographed one or a drawing, by its colours; nothing if it cannot be read."""
    rgba = read_rgba(path)
    return [] if rgba is None else [(rgba, "photo" if looks_photographed(rgba) else "drawing")]


def find_cutouts(folder: Path) -> list[CutoutSource]:
    """PNG and WebP pictures in a folder and those below. FileNotFoundError; ValueError if there is none."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder} of cut-outs")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".webp"))
    if not files:
        raise ValueError(f"{folder} holds no cut-outs: pictures with transparency, .png or .webp, were expected")
    return [CutoutSource(str(file.resolve()), partial(read_cutout, file)) for file in files]


def find_labelled(images: Path, masks: Path) -> list[CutoutSource]:
    """Pictures that have masks of the same names, as `masklet.datasets.mask_files` says; others are left out.

    FileNotFoundError; ValueError for masks of no picture, and where there are none.
    """
    pairs = [pair for pair in pair_masks(images, masks) if pair.masks.exists()]
    if not pairs:
        raise ValueError(f"{masks} holds no masks of the pictures in {images}: files or folders of their names")
    return [CutoutSource(str(pair.path.resolve()), partial(read_labelled, pair)) for pair in pairs]


def read_labelled(pair: MaskedPicture) -> Cutouts:
    """The objects of a picture that are whole, not cut off by its border. ValueError if sizes differ."""
    rgb, readers = read_image(pair.path), open_masks(pair.masks)
    if pair.masks.is_file() and len(readers) > 1:
        readers.pop(VOID, None)
    cutouts = []
    for mask in (read() for read in readers.values()):
        if rgb.shape[:2] != mask.shape:
            sizes = f"{mask.shape[1]} x {mask.shape[0]} pixels, but {pair.path} {rgb.shape[1]} x {rgb.shape[0]}"
            raise ValueError(f"{pair.masks} has {sizes}: masks have the size of their picture")
        if mask.any() and _share_on_border(mask) <= MAX_BORDER:
            cutouts.append((cut_out(rgb, mask), "photo"))
    return cutouts


def cut_out(rgb: UInt8[np.ndarray, "H W 3"], mask: Bool[np.ndarray, "H W"]) -> UInt8[np.ndarray, "h w 4"]:
    """What a mask (not empty) covers, with a soft rim of the colours of its inside."""
    margin = RIM + int(np.ceil(3 * FEATHER))
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    rows = slice(max(0, y - margin), y + height + margin)
    columns = slice(max(0, x - margin), x + width + margin)
    inside, colours = mask[rows, columns].astype(np.uint8), rgb[rows, columns]
    kernel = np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)
    trusted = cv2.erode(inside, kernel, borderType=cv2.BORDER_REPLICATE) > 0
    if not trusted.any():
        trusted = inside > 0
    alpha = cv2.GaussianBlur(inside * np.uint8(255), (0, 0), FEATHER, borderType=cv2.BORDER_REPLICATE)
    return np.dstack([spread_colours(colours, trusted), alpha])


def _share_on_border(mask: Bool[np.ndarray, "H W"]) -> float:
    """Share of a mask's outline that lies on the picture's border."""
    on_border = int(mask[0].sum() + mask[-1].sum() + mask[:, 0].sum() + mask[:, -1].sum())
    padded = cv2.copyMakeBorder(mask.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    outline = int(padded.sum()) - int(cv2.erode(padded, np.ones((3, 3), np.uint8)).sum())
    return on_border / max(1, outline)
