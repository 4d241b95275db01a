"""A held-out part of one's own data, without moving files: whether an item belongs to it follows from its name."""

import hashlib
from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

Part: TypeAlias = Literal["train", "held_out"]


def check_part(held_out: float, part: str) -> None:
    """ValueError for a share that leaves nothing to learn from, and for a part that there is not."""
    if not 0 <= held_out < 1:
        raise ValueError(f"held_out is {held_out}, but it is a share of the data, at least 0 and below 1")
    if part not in get_args(Part):
        raise ValueError(f"part is {part!r}, but the parts are {' and '.join(get_args(Part))}")


def names_in_part(names: Iterable[str], held_out: float, part: Part) -> set[str]:
    """Those of `names` that are in `part`, where a share `held_out` (0..1) of all names is held out.

    Each name alone decides, in every run and on every machine: data that is added later moves nothing from one part to
    the other, and a larger share holds out all that a smaller one does. Only where chance would hold out none of a few
    names, the first by that chance is. ValueError for a share outside 0..1.
    """
    if not 0 <= held_out <= 1:
        raise ValueError(f"held_out is the share of data kept for validation, 0 to 1, not {held_out}")
    places = {name: _place(name) for name in names}
    held = {name for name, place in places.items() if place < held_out}
    if held_out > 0 and not held and len(places) > 1:
        held = {min(places, key=places.__getitem__)}
    return held if part == "held_out" else places.keys() - held


def _place(name: str) -> float:
    """A number in [0, 1) that a name always has, evenly spread."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48  # which a float holds exactly
