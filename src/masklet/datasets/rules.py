"""What counts when masks of a video are scored: where the evaluators of the field differ."""

from dataclasses import dataclass

BOUNDARY_TOLERANCE = 0.008
"""How far apart boundaries may be to match, as a share of the picture's diagonal (DAVIS)."""


@dataclass(frozen=True, kw_only=True)
class ScoreRules:
    """Which frames and pixels count."""

    skip_first_and_last: bool = True
    """Leave out the first and the last annotated frame, as all semi-supervised protocols do."""
    from_first_appearance: bool = True
    """Score an object from the first frame on that it is seen in, in the truth or in the prediction; else from the
    first frame on that counts."""
    void_id: int | None = None
    """The id of pixels that do not count in either."""
    tolerance: float = BOUNDARY_TOLERANCE
    """How far apart boundaries may be to match, as a share of the picture's diagonal."""

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1:
            raise ValueError(f"tolerance is {self.tolerance}, but it is a share of the picture's diagonal, 0 to 1")


SAV_RULES = ScoreRules()
"""Those of the SA-V evaluator and of `vos-benchmark`, with which SAM 2's scores were published."""

DAVIS_RULES = ScoreRules(from_first_appearance=False, void_id=255)
"""Those of DAVIS 2017's own evaluator: an object counts from the beginning, also while it is out of the picture. Void
pixels are in its unsupervised annotations alone."""
