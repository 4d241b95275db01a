"""A held-out part of one's own data, without moving files: whether an item belongs to it follows from its name."""

import hashlib
from typing import Literal, TypeAlias

Part: TypeAlias = Literal["train", "held_out"]


def in_part(name: str, held_out: float, part: Part) -> bool:
    """Whether the item `name` is in `part`, where a share `held_out` (0..1) of all names is held out.

    The name alone decides, in every run and on every machine: data that is added later moves nothing from one part to
    the other, and a larger share holds out all that a smaller one does. ValueError for a share outside 0..1.
    """
    if not 0 <= held_out <= 1:
        raise ValueError(f"held_out is the share of data kept for validation, 0 to 1, not {held_out}")
    digest = hashlib.blake2b(
        name.encode("utf-8", "surrogateescape"), digest_size=6
    ).digest()  # 48 bits, which a float holds exactly
    is_held_out = int.from_bytes(digest, "big") / 2**48 < held_out
    return is_held_out == (part == "held_out")
