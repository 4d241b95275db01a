"""The cut-outs and photographs of the fetched packages, less those that show no things: letters, flags, signs."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from masklet.training.scenes.cutouts import Cutouts, CutoutSource, read_cutout, read_rgba
from masklet.training.scenes.sources import find_backgrounds, is_photograph
from masklet.training.scenes.views import Photograph

VIEWS_PER_BACKDROP = 2
"""Drawings and gradients have nothing to learn in them."""

_CLIPART_FOLDERS = (
    *("animals", "plants", "food", "people", "tools", "transportation", "buildings", "containers", "electronics"),
    *("computer/hardware", "recreation/music", "recreation/sports", "recreation/party", "recreation/holiday"),
    *("recreation/toys", "decorations", "education"),
)
_CLIPART_SKIPPED = ("smilies", "stickmen", "aiga", "roadsigns", "map_symbols")
"""Folders of openclipart that hold things, less the words in paths of signs, letters, buttons and patterns."""

EMOJI_SIZE = 109
"""The one size that the font's bitmaps have."""


def package_photographs(root: Path, num_views: int) -> list[Photograph]:
    """Backgrounds among the packages under `root/unpacked`."""
    return [
        Photograph(path, num_views if is_photograph(path) else VIEWS_PER_BACKDROP, is_photograph(path))
        for path in find_backgrounds(root)
    ]


def package_cutouts(root: Path) -> Iterator[CutoutSource]:
    """Cut-outs of the packages under `root/unpacked`."""
    unpacked = root / "unpacked"
    stamps = unpacked / "tuxpaint-stamps-default"
    for path in sorted(stamps.rglob("*.png")):
        if not ("symbols" in path.parts or "mirror" in path.stem or "flags" in path.parts):
            yield CutoutSource(str(path.relative_to(unpacked)), partial(_read_stamp, path))
    clipart = unpacked / "openclipart-png" / "usr" / "share" / "openclipart" / "png"
    for folder in _CLIPART_FOLDERS:
        for path in sorted((clipart / folder).rglob("*.png")):
            if not any(word in str(path.relative_to(clipart)) for word in _CLIPART_SKIPPED):
                yield CutoutSource(str(path.relative_to(unpacked)), partial(_read_as, path, "clipart"))
    for path in sorted((unpacked / "lobehub-fluent-emoji-3d").rglob("*.webp")):
        codes = [int(part, 16) for part in path.stem.split("-")]
        toned = any(0x1F3FB <= code <= 0x1F3FF for code in codes)
        if not (toned or _is_symbol(codes[0]) or len(codes) > 4):
            yield CutoutSource(str(path.relative_to(unpacked)), partial(_read_as, path, "emoji3d"))
    yield from _emoji(unpacked)


def _read_as(path: Path, kind: str) -> Cutouts:
    rgba = read_rgba(path)
    return [] if rgba is None else [(rgba, kind)]


def _read_stamp(path: Path) -> Cutouts:
    """A stamp: some are photographs, some are drawings, as the folder tells, or the colours."""
    return _read_as(path, "drawing") if "cartoon" in path.parts else read_cutout(path)


def _emoji(unpacked: Path) -> Iterator[CutoutSource]:
    fonts = sorted((unpacked / "fonts-noto-color-emoji").rglob("NotoColorEmoji.ttf"))
    if fonts:
        font = ImageFont.truetype(str(fonts[0]), EMOJI_SIZE)
        for code in (*range(0x2600, 0x2800), *range(0x1F300, 0x1FB00)):
            if not _is_symbol(code):
                yield CutoutSource(f"emoji {code:x}", partial(_draw_emoji, code, font))


def _draw_emoji(code: int, font: ImageFont.FreeTypeFont) -> Cutouts:
    image = Image.new("RGBA", (160, 160))
    ImageDraw.Draw(image).text((8, 8), chr(code), font=font, embedded_color=True)
    rgba = np.array(image)
    coloured = rgba[rgba[..., 3] > 127][:, :3]
    if len(coloured) == 0 or coloured.max() <= 40:  # a missing glyph is drawn in black
        return []
    return [(rgba, "emoji")]


def _is_symbol(code: int) -> bool:
    """Whether a code point shows letters, digits, clocks, arrows, flags or signs rather than a thing."""
    ranges = (
        *((0, 0x231A), (0x23E9, 0x2600), (0x2648, 0x2660), (0x2700, 0x2708), (0x2714, 0x2744), (0x2795, 0x2B50)),
        *((0x3030, 0x329A), (0x1F100, 0x1F300), (0x1F500, 0x1F526), (0x1F530, 0x1F57A), (0x1F5A4, 0x1F5A5)),
    )
    return any(low <= code < high for low, high in ranges)
