"""Choosing parameters and layers by patterns over their names, such as `trunk.*` or `*.norm1.weight`.

`*` stands for anything, dots included. Every pattern has to choose something: one that does not is a misspelling, and
would leave a run doing something else than was meant.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

NEAR = 0.8
"""How like a misspelling is to what is proposed instead, in (0, 1]: less would take `image_encoder` for a decoder."""


def match_all(patterns: Iterable[str], names: Sequence[str], field: str) -> dict[str, str]:
    """For each name that a pattern matches, the last of those that do.

    field: what the patterns are called where they were written, for errors. ValueError for a pattern that matches none.
    """
    found: dict[str, str] = {}
    for pattern in patterns:
        matches = [name for name in names if fnmatchcase(name, pattern)]
        if not matches:
            raise ValueError(f"{field}: the pattern {pattern!r} matches nothing: {_advice(pattern, names)}")
        found.update(dict.fromkeys(matches, pattern))
    return found


def _advice(pattern: str, names: Sequence[str]) -> str:
    """Names like the pattern, cut to where it ends in a star; else how names begin."""
    parts = [name.split(".") for name in names]
    if any(name.startswith(f"{pattern}.") for name in names):
        return f"did you mean {pattern}.*?"
    stem = pattern.removesuffix("*").removesuffix(".")
    ending = pattern.removeprefix(stem)
    depth = stem.count(".") + 1
    candidates = {".".join(part[:depth]) for part in parts if len(part) > depth or not ending}
    if near := get_close_matches(stem, sorted(candidates), cutoff=NEAR):
        return f"did you mean {' or '.join(name + ending for name in near)}?"
    beginnings = dict.fromkeys(f"{first}.*" if rest else first for first, *rest in parts)
    return f"names are matched by patterns such as {', '.join(beginnings)}"
