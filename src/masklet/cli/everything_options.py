"""Options of `masklet everything`: how objects are looked for, what is done with a video, what is written where."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, validators

from masklet.cli.console import UsageError
from masklet.io.formats.catalog import FORMATS
from masklet.predictors.generator_options import GeneratorOptions

DEFAULT = GeneratorOptions()

MORE_MASKS = "a lower --pred-iou-thresh or --stability-score-thresh keeps more masks, of which more are bad"
"""What to do where next to nothing was found."""

_Count = Annotated[int, Parameter(validator=validators.Number(gte=1))]
_Flag = Annotated[bool, Parameter(negative="", show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FindOptions:
    """How objects are looked for: the fields of `masklet.GeneratorOptions`."""

    points_per_side: int = DEFAULT.points_per_side or 0
    """Points of the grid along each side of the picture; the model is asked what is at each."""

    points_per_batch: int = DEFAULT.points_per_batch
    """Points that go through the model at once. Fewer take less memory."""

    pred_iou_thresh: float | None = None
    """Keep masks that the model takes to be better than this (predicted IoU, 0 to 1); 0 keeps all. If not given, what
    suits the model: 0.8, for nano 0.45."""

    stability_score_thresh: float | None = None
    """Keep masks that change little where the cut is moved: stability scores from here on (0 to 1); 0 keeps all. If not
    given, what suits the model: 0.95, for nano 0.7."""

    stability_score_offset: float = DEFAULT.stability_score_offset
    """How far the cut is moved up and down for the stability score, in logits."""

    mask_threshold: float = DEFAULT.mask_threshold
    """Logit above which a pixel is of the mask."""

    box_nms_thresh: float = DEFAULT.box_nms_thresh
    """Of masks whose boxes overlap by more than this IoU, keep the best alone."""

    crop_n_layers: int = DEFAULT.crop_n_layers
    """Look into parts of the picture too: 1 for 4 parts, 2 for 16 more, and so on. For small objects."""

    crop_nms_thresh: float = DEFAULT.crop_nms_thresh
    """As --box-nms-thresh, between parts. The mask from the smaller part is kept."""

    crop_overlap_ratio: float = DEFAULT.crop_overlap_ratio
    """How much parts overlap, as a share of the picture's shorter side."""

    crop_n_points_downscale_factor: int = DEFAULT.crop_n_points_downscale_factor
    """Divide --points-per-side by this for the parts of each layer."""

    point_grids: Annotated[Path | None, Parameter(show_default=False)] = None
    """A JSON file with points to ask at, in place of the grid: a list of [x, y] between 0 and 1 for the picture, and
    one for each layer of parts."""

    min_mask_region_area: float = DEFAULT.min_mask_region_area
    """Fill holes and remove specks smaller than this, in pixels of the picture."""

    use_m2m: _Flag = DEFAULT.use_m2m
    """Have the model refine each mask once more."""

    multimask_output: bool = DEFAULT.multimask_output
    """Three masks a point, of which a part, an object and a group may come; else one."""

    def to_options(self) -> GeneratorOptions:
        """As the generator takes them; reads the file of points. UsageError, naming the option, for a wrong value."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(GeneratorOptions)}
        if self.point_grids is not None:
            values |= {"points_per_side": None, "point_grids": _read_grids(self.point_grids)}
        try:
            return GeneratorOptions(**values)
        except ValueError as error:
            raise UsageError(str(error)) from None

    def describe(self) -> dict[str, Any]:
        """All values as JSON, by which runs are told apart; points as their file has them."""
        grids = None if self.point_grids is None else _read_grids(self.point_grids)
        return {**asdict(self), "point_grids": grids}


def _read_grids(path: Path) -> list[Any]:
    try:
        grids = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--point-grids {path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # of UTF-8 as well as of JSON
        raise UsageError(f"--point-grids {path} is not JSON: {error}") from None
    if not isinstance(grids, list):
        raise UsageError(f"--point-grids {path} has no list of grids: write [[[0.5, 0.5], [0.2, 0.8]]]")
    return grids


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FollowOptions:
    """What is done with a video."""

    video: _Flag = False
    """The one path is a video, a file or a folder of frames: follow what is on its first frame through all of it."""

    look_again: Annotated[_Count | None, Parameter(show_default=False)] = None
    """Every so many frames, look for what has appeared, and follow it too. If not given, on the first alone."""

    max_objects: Annotated[_Count | None, Parameter(show_default=False)] = None
    """Follow so many objects at most, the largest of each look. If not given, all."""

    non_overlapping: _Flag = False
    """A pixel belongs to one object at most."""

    no_masks: _Flag = False
    """Do not write the mask pictures; the masks are in masklets.jsonl all the same."""

    def check(self) -> None:
        """UsageError for what is said of a video where there is none."""
        given = [field.name for field in fields(self) if getattr(self, field.name) != field.default]
        if given and not self.video:
            raise UsageError(f"--{given[0].replace('_', '-')} is for videos: give --video and a video as well")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class EverythingOutput:
    """What is written where."""

    output: Path = Path("out")
    """Folder for what is written; made if it is not there. Results of an earlier run in it are replaced."""

    resume: _Flag = False
    """Go on with a run that was stopped: the same command again. Pictures that are done are left as they are."""

    format: Annotated[
        tuple[str, ...],
        Parameter(
            consume_multiple=True,
            negative="",
            show_default=False,
            help=f"Write annotations as well, into a folder of the format's name: {', '.join(FORMATS)}.",
        ),
    ] = ()


def check_formats(names: Iterable[str], *, video: bool) -> None:
    """UsageError for a format that there is not, and for one of videos alone where there is none."""
    for name in names:
        if name not in FORMATS:
            raise UsageError(f"there is no annotation format {name!r}: choose one of {', '.join(FORMATS)}")
        if FORMATS[name].video_only and not video:
            raise UsageError(f"the format {name} is of videos alone: choose another one for pictures")
