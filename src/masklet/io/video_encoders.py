"""What videos are written with: containers, the encoders that suit them, and how these are set."""

import os
from fractions import Fraction
from typing import Any

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".avi": "avi"}

ENCODERS = {"h264": "libx264", "hevc": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1", "mpeg4": "mpeg4"}

FALLBACKS = {"webm": ("libvpx-vp9", "libsvtav1")}
OTHER_FALLBACKS = ("libx264", "mpeg4")

QUALITY = {
    "libx264": {"crf": "18", "preset": "veryfast"},
    "libx265": {"crf": "20", "preset": "veryfast", "x265-params": "log-level=error"},
    "libvpx-vp9": {"crf": "24", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"},
    "libsvtav1": {"crf": "24", "preset": "9"},
    "mpeg4": {"flags": "+qscale", "global_quality": str(3 * 118)},
}
"""Losses that are hard to see, at a speed that does not hold up a model."""

TICK = Fraction(1, 60000)
"""Whole numbers of it make a frame at most rates, 30000/1001 too, and MPEG-4 admits none that is much shorter."""

COARSE_TICK = Fraction(1, 1000)
"""That of Matroska and WebM."""

BT709, BT601 = 1, 6
"""FFmpeg's numbers for what the colours mean; players take files that do not say for one or the other."""

MAX_THREADS = 8


def list_encoders(container: str, codec: str | None) -> list[str]:
    """The encoders to try in a container, best first: that of `codec`, then others. ValueError if there are none."""
    wanted = FALLBACKS.get(container, OTHER_FALLBACKS)
    found = [name for name in dict.fromkeys((ENCODERS.get(codec or "", ""), *wanted)) if name in av.codecs_available]
    if not found:
        raise ValueError(
            f"this build of PyAV has none of the encoders {', '.join(wanted)} that {container} needs: "
            "take another extension, or install PyAV from PyPI"
        )
    return found


def finest_tick(container: str) -> Fraction:
    """The unit in seconds in which frames can be timed."""
    return COARSE_TICK if container in ("matroska", "webm") else TICK


def add_video(
    container: OutputContainer,
    encoder: str,
    frame_size: tuple[int, int],
    rate: Fraction,
    tick: Fraction,
    pixel_shape: Fraction | None,
) -> VideoStream:
    """Add a stream of yuv420p frames of an even (height, width), whose times are in units of `tick` seconds.

    pixel_shape: width of a pixel over its height; None: square.
    """
    if encoder == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # it has no other way to be told to print errors only
    stream: Any = container.add_stream(encoder, rate=rate, options=QUALITY[encoder])
    context = stream.codec_context
    context.height, context.width = frame_size
    context.pix_fmt = "yuv420p"
    context.time_base = tick
    context.thread_count = min(MAX_THREADS, os.cpu_count() or 1)
    context.bit_rate = 0  # older PyAV sets one, which goes against a quality
    # MPEG-4 has nowhere to say it: players then take it for the older one.
    context.colorspace = context.color_primaries = context.color_trc = BT601 if encoder == "mpeg4" else BT709
    context.color_range = 1  # that of television, 16 to 235
    if pixel_shape is not None:
        context.sample_aspect_ratio = pixel_shape
    if encoder == "libx265" and container.format.name in ("mp4", "mov"):
        context.codec_tag = "hvc1"  # Apple's players do not know FFmpeg's own choice
    if container.format.name == "avi":
        context.max_b_frames = 0  # frames in AVI come in the order in which they are shown
    return stream
