"""Decoded frames as pixels, the way up in which a player shows them."""

import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import UInt8

from masklet.io.decode import composite_over_white


def upright_pixels(frame: VideoFrame) -> UInt8[np.ndarray, "H W 3"]:
    """A decoded frame as 8-bit RGB, turned and mirrored as its display matrix says, composited over white."""
    if any(component.is_alpha for component in frame.format.components):
        pixels = composite_over_white(frame.to_ndarray(format="rgba"))
    else:
        pixels = frame.to_ndarray(format="rgb24")
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is not None:
        # A point (x, y) of the frame is shown at (a x + c y, b x + d y).
        a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(matrix), np.int32)[:5])
        if abs(b) > abs(a):
            pixels, a, d = pixels.transpose(1, 0, 2), c, b
        pixels = pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(pixels)
