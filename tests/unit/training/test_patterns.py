"""Patterns over names, and what is said of those that choose nothing."""

import pytest

from masklet.training.patterns import match_all

NAMES = ("trunk.blocks.0.norm1.weight", "trunk.blocks.0.norm1.bias", "mask_decoder.iou_token", "no_memory")


def test_a_star_passes_dots() -> None:
    assert match_all(["trunk.*"], NAMES, "rates") == {NAMES[0]: "trunk.*", NAMES[1]: "trunk.*"}


def test_the_last_pattern_counts() -> None:
    assert match_all(["*", "*.bias"], NAMES, "rates") == {
        NAMES[0]: "*",
        NAMES[1]: "*.bias",
        NAMES[2]: "*",
        NAMES[3]: "*",
    }
    assert set(match_all(["*.bias", "*"], NAMES, "rates").values()) == {"*"}


@pytest.mark.parametrize(
    ("pattern", "advice"),
    [
        ("mask_decodr.*", r"did you mean mask_decoder\.\*\?"),
        ("trunk.block.*", r"did you mean trunk\.blocks\.\*\?"),
        ("no_memry", r"did you mean no_memory\?"),
        ("trunk", r"did you mean trunk\.\*\?"),
        ("Trunk.*", r"did you mean trunk\.\*\?"),
        ("image_encoder.*", r"patterns such as trunk\.\*, mask_decoder\.\*, no_memory$"),
    ],
)
def test_a_pattern_that_matches_nothing_is_an_error_with_what_was_meant(pattern: str, advice: str) -> None:
    with pytest.raises(ValueError, match=f"frozen: the pattern '{pattern}'.*{advice}".replace("*'", r"\*'")):
        match_all([pattern], NAMES, "frozen")
