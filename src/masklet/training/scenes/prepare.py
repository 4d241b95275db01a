"""Turns fetched packages into the packed arrays that scenes are composed from.

`prepare(root)` reads `root/unpacked` and writes to `root/prepared`:

- `cutouts.npy` uint8, all cut-outs one after the other, and `cutouts_index.npy` int64 (N, 4): offset, height,
  width, kind (index into `KINDS`). Pixels are RGBA with colour multiplied by alpha.
- `views_rgb.npy` uint8 (V, S, S, 3), `views_labels.npy` uint16 (V, S, S), `views_members.npy` bool (V, R, P)
  and `views_scores.npy` float32 (V, R): crops of backgrounds, squashed to a square as the model sees pictures,
  with their regions (see `regions`). A score of 0 is padding; a view without regions is a backdrop alone.
- `photographs/*.jpg`, backgrounds shrunk to at most 1200 pixels, and `views.json`, which names their views.

Files are read back memory-mapped, so that worker processes share them.
"""

import argparse
import itertools
import json
import multiprocessing
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from masklet.training.scenes.regions import find_regions
from masklet.training.scenes.sources import DEFAULT_ROOT, background_name, fetch, find_backgrounds, is_photograph

KINDS = ("photo", "drawing", "clipart", "emoji", "emoji3d")
"""Of cut-outs, in the order of the index's numbers. `emoji3d` are rendered ones."""

VIEW_SIZE = 320
"""Side of a view in pixels."""

MAX_REGIONS = 24
MAX_SUPERPIXELS = 1024
"""What a view keeps at most; one with more superpixels is a backdrop alone."""

PHOTO_SIDE = 1200
"""Longest side in pixels that backgrounds are shrunk to."""

MIN_CROP = 180
"""Pixels of a photograph that a view shows at least; fewer look washed out."""

PHOTO_CUTOUT_SIDE = 320
DRAWING_CUTOUT_SIDE = 224
"""Longest sides of cut-outs in pixels; drawings need no more than a scene shows."""

VIEWS_PER_PHOTOGRAPH = 8
VIEWS_PER_BACKDROP = 2
"""Of each the first is the whole picture, the others are crops."""

PROCESSES = 2
"""Processes that cut and segment views."""

_CLIPART_FOLDERS = (
    *("animals", "plants", "food", "people", "tools", "transportation", "buildings", "containers", "electronics"),
    *("computer/hardware", "recreation/music", "recreation/sports", "recreation/party", "recreation/holiday"),
    *("recreation/toys", "decorations", "education"),
)
_CLIPART_SKIPPED = ("smilies", "stickmen", "aiga", "roadsigns", "map_symbols")
"""Folders of openclipart that hold things, less the words in paths of signs, letters, buttons and patterns."""


def clean_cutout(rgba: np.ndarray, side: int) -> np.ndarray | None:
    """Trim `rgba` (uint8 (H, W, 4)) to its opaque part, shrink it to `side` and multiply colour by alpha.

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
    ys, xs = np.nonzero(opaque.any(1))[0], np.nonzero(opaque.any(0))[0]
    rgba = rgba[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
    height, width = rgba.shape[:2]
    if min(height, width) < 24 or (rgba[..., 3] > 127).mean() < 0.2:
        return None
    alpha = rgba[..., 3:].astype(np.float32) / 255.0
    packed = np.concatenate([rgba[..., :3] * alpha, rgba[..., 3:]], -1)
    scale = min(1.0, side / max(height, width))
    if scale < 1.0:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        packed = cv2.resize(packed, size, interpolation=cv2.INTER_AREA)
    return (packed + 0.5).clip(0, 255).astype(np.uint8)


def looks_photographed(rgba: np.ndarray) -> bool:
    """Whether a cut-out's colours vary as in a photograph: many distinct ones for its size."""
    inside = rgba[rgba[..., 3] > 200][:, :3] >> 3
    if len(inside) < 100:
        return False
    sample = inside[:: max(1, len(inside) // 4000)].astype(np.int32)
    codes = (sample[:, 0] << 10) | (sample[:, 1] << 5) | sample[:, 2]
    return len(np.unique(codes)) > 0.06 * len(sample)


def _read_rgba(path: Path) -> np.ndarray | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)  # a few clip arts are gigantic
            image = Image.open(path)
        with image:
            if max(image.size) > 900:
                image.thumbnail((900, 900))
            return np.array(image.convert("RGBA"))
    except (OSError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None


def _stamps(root: Path) -> Iterator[tuple[np.ndarray, str]]:
    folder = root / "unpacked" / "tuxpaint-stamps-default"
    for path in sorted(folder.rglob("*.png")):
        if "symbols" in path.parts or "mirror" in path.stem or "flags" in path.parts:
            continue
        rgba = _read_rgba(path)
        if rgba is not None:
            yield rgba, "photo" if "cartoon" not in path.parts and looks_photographed(rgba) else "drawing"


def _clipart(root: Path) -> Iterator[tuple[np.ndarray, str]]:
    base = root / "unpacked" / "openclipart-png" / "usr" / "share" / "openclipart" / "png"
    for folder in _CLIPART_FOLDERS:
        for path in sorted((base / folder).rglob("*.png")):
            if any(word in str(path) for word in _CLIPART_SKIPPED):
                continue
            rgba = _read_rgba(path)
            if rgba is not None:
                yield rgba, "clipart"


def _is_symbol(code: int) -> bool:
    """Whether a code point shows letters, digits, clocks, arrows, flags or signs rather than a thing."""
    ranges = (
        *((0, 0x231A), (0x23E9, 0x2600), (0x2648, 0x2660), (0x2700, 0x2708), (0x2714, 0x2744), (0x2795, 0x2B50)),
        *((0x3030, 0x329A), (0x1F100, 0x1F300), (0x1F500, 0x1F526), (0x1F530, 0x1F57A), (0x1F5A4, 0x1F5A5)),
    )
    return any(low <= code < high for low, high in ranges)


def _emoji3d(root: Path) -> Iterator[tuple[np.ndarray, str]]:
    folder = root / "unpacked" / "lobehub-fluent-emoji-3d"
    for path in sorted(folder.rglob("*.webp")):
        codes = [int(part, 16) for part in path.stem.split("-")]
        toned = any(0x1F3FB <= code <= 0x1F3FF for code in codes)
        if toned or _is_symbol(codes[0]) or len(codes) > 4:
            continue
        rgba = _read_rgba(path)
        if rgba is not None:
            yield rgba, "emoji3d"


def _emoji(root: Path) -> Iterator[tuple[np.ndarray, str]]:
    fonts = sorted((root / "unpacked" / "fonts-noto-color-emoji").rglob("NotoColorEmoji.ttf"))
    if not fonts:
        return
    font = ImageFont.truetype(str(fonts[0]), 109)  # the one size its bitmaps have
    for code in (*range(0x2600, 0x2800), *range(0x1F300, 0x1FB00)):
        if _is_symbol(code):
            continue
        image = Image.new("RGBA", (160, 160))
        ImageDraw.Draw(image).text((8, 8), chr(code), font=font, embedded_color=True)
        rgba = np.array(image)
        coloured = rgba[rgba[..., 3] > 127][:, :3]
        if len(coloured) and coloured.max() > 40:  # a missing glyph is drawn in black
            yield rgba, "emoji"


def prepare_cutouts(root: Path) -> dict[str, int]:
    """Pack the cut-outs of all packages; returns how many there are of each kind."""
    pixels, index, offset = [], [], 0
    for source in (_stamps, _clipart, _emoji3d, _emoji):
        for rgba, kind in source(root):
            packed = clean_cutout(rgba, PHOTO_CUTOUT_SIDE if kind == "photo" else DRAWING_CUTOUT_SIDE)
            if packed is None:
                continue
            pixels.append(packed.ravel())
            index.append((offset, packed.shape[0], packed.shape[1], KINDS.index(kind)))
            offset += packed.size
    write_cutouts(root / "prepared", pixels, index)
    kinds = np.array(index, np.int64).reshape(-1, 4)[:, 3]
    return {kind: int((kinds == number).sum()) for number, kind in enumerate(KINDS)}


def write_cutouts(folder: Path, pixels: list[np.ndarray], index: list[tuple[int, int, int, int]]) -> None:
    """Write the two cut-out files to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "cutouts.npy", np.concatenate(pixels) if pixels else np.zeros(0, np.uint8))
    np.save(folder / "cutouts_index.npy", np.array(index, np.int64).reshape(-1, 4))


def random_view(rgb: np.ndarray, rng: np.random.Generator, whole: bool) -> np.ndarray:
    """A crop of `rgb` (the whole of it if `whole`) squashed to (VIEW_SIZE, VIEW_SIZE, 3)."""
    height, width = rgb.shape[:2]
    if not whole:
        aspect = float(np.exp(rng.uniform(-0.3, 0.3)))
        scale = max(float(rng.uniform(0.35, 1.0)), min(1.0, MIN_CROP / min(height, width)))
        crop_h, crop_w = (max(8, int(n * min(1.0, scale * f))) for n, f in ((height, 1 / aspect), (width, aspect)))
        top, left = int(rng.integers(height - crop_h + 1)), int(rng.integers(width - crop_w + 1))
        rgb = rgb[top : top + crop_h, left : left + crop_w]
    shrinks = min(rgb.shape[:2]) >= VIEW_SIZE
    return cv2.resize(rgb, (VIEW_SIZE, VIEW_SIZE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def _pack_view(rgb: np.ndarray, with_regions: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    labels = np.zeros((VIEW_SIZE, VIEW_SIZE), np.uint16)
    members = np.zeros((MAX_REGIONS, MAX_SUPERPIXELS), bool)
    scores = np.zeros(MAX_REGIONS, np.float32)
    if with_regions:
        found = find_regions(rgb, MAX_REGIONS)
        if found.members.shape[1] <= MAX_SUPERPIXELS:
            labels = found.labels
            members[: len(found.members), : found.members.shape[1]] = found.members
            scores[: len(found.scores)] = found.scores
    return rgb, labels, members, scores


def _views_of(task: tuple[Path, bool, int, int]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    path, with_regions, count, seed = task
    cv2.setNumThreads(0)
    rng = np.random.default_rng(seed)
    with Image.open(path) as image:
        rgb = np.array(image.convert("RGB"))
    return [_pack_view(random_view(rgb, rng, whole=number == 0), with_regions) for number in range(count)]


def _shrink(path: Path, folder: Path) -> Path:
    target = folder / f"{background_name(path)}.jpg"
    if not target.exists():
        with Image.open(path) as image:
            image.draft("RGB", (PHOTO_SIDE, PHOTO_SIDE))
            small = image.convert("RGB")
        small.thumbnail((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.LANCZOS)
        small.save(target, quality=93)
    return target


def prepare_views(root: Path) -> dict[str, int]:
    """Cut and segment views of all backgrounds; returns the number of photographs, backdrops and views."""
    photographs = root / "prepared" / "photographs"
    photographs.mkdir(parents=True, exist_ok=True)
    tasks, names = [], []
    for number, path in enumerate(find_backgrounds(root)):
        small, name = _shrink(path, photographs), background_name(path)
        is_photo = is_photograph(path)
        count = VIEWS_PER_PHOTOGRAPH if is_photo else VIEWS_PER_BACKDROP
        tasks.append((small, is_photo, count, number))
        names += [name] * count
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        groups = pool.imap(_views_of, tasks, chunksize=1)
        write_views(root / "prepared", itertools.chain.from_iterable(groups), len(names))
    (root / "prepared" / "views.json").write_text(json.dumps(names))
    num_photographs = sum(task[1] for task in tasks)
    return {"photographs": num_photographs, "backdrops": len(tasks) - num_photographs, "views": len(names)}


def write_views(folder: Path, views: Iterable[tuple[np.ndarray, ...]], count: int) -> None:
    """Write (rgb, labels, members, scores) of `count` views to `folder`, one view in memory at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    files: list[np.ndarray] = []
    for number, view in enumerate(views):
        if not files:
            paths = [folder / f"views_{name}.npy" for name in ("rgb", "labels", "members", "scores")]
            files = [
                np.lib.format.open_memmap(path, mode="w+", dtype=array.dtype, shape=(count, *array.shape))
                for path, array in zip(paths, view, strict=True)
            ]
        for file, array in zip(files, view, strict=True):
            file[number] = array


def prepare(root: Path) -> dict[str, int]:
    """Pack everything under `root/unpacked` into `root/prepared`; returns counts by kind."""
    return prepare_cutouts(root) | prepare_views(root)


def main() -> None:
    """Fetch and prepare the pictures: `python -m masklet.training.scenes.prepare [--root FOLDER]`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT)
    root = parser.parse_args().root
    fetch(root)
    print(json.dumps(prepare(root)))


if __name__ == "__main__":
    main()
