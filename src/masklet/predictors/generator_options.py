"""The options of automatic mask generation, checked where they are made."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from masklet.config import ModelConfig, is_nano
from masklet.ops.grids import layer_sides, point_grid

PUBLISHED_THRESHOLDS = (0.8, 0.95)
"""Of predicted IoU and stability score: upstream's, for the published models."""

NANO_THRESHOLDS = (0.45, 0.7)
"""For models of the bundled one's size. It is less sure of its masks: the published ones leave next to nothing."""


@dataclass(frozen=True, kw_only=True)
class GeneratorOptions:
    """How to look for everything in a picture; the defaults are upstream's.

    Where to look: a grid of `points_per_side` squared points, or, with `points_per_side=None`, `point_grids`: points
    (N, 2) as (x, y) in [0, 1], one grid for the whole image and one for each of `crop_n_layers`. Layer i of crops cuts
    the image into 4**i parts that overlap (`crop_overlap_ratio` of the shorter side in layer 1, then half as much a
    layer), each with a grid of its own, whose side is divided by `crop_n_points_downscale_factor` a layer.

    What to keep: masks whose predicted IoU exceeds `pred_iou_thresh` and whose stability score, the IoU of the mask
    cut `stability_score_offset` above and below `mask_threshold` (all logits), is at least `stability_score_thresh`;
    a threshold of 0 or less keeps all, and None is what suits the model: upstream's 0.8 and 0.95, for `nano` 0.45 and
    0.7. Of masks whose boxes have an IoU above `box_nms_thresh` (found in one crop) or `crop_nms_thresh` (in several),
    the best alone.

    What to ask: `points_per_batch` points at once at most. `multimask_output`: three masks a point, else one.
    `use_m2m`: each mask is given back to the model with its point to be refined. `min_mask_region_area`: holes and
    specks of fewer image pixels are filled and removed at full size, and boxes compared again. (Upstream takes this
    number for an area in low-res pixels, which is what `ImagePredictor.max_hole_area` and `max_sprinkle_area` are.)

    ValueError names an option with a value that makes no sense.
    """

    points_per_side: int | None = 32
    points_per_batch: int = 64
    pred_iou_thresh: float | None = None
    stability_score_thresh: float | None = None
    stability_score_offset: float = 1.0
    mask_threshold: float = 0.0
    box_nms_thresh: float = 0.7
    crop_n_layers: int = 0
    crop_nms_thresh: float = 0.7
    crop_overlap_ratio: float = 512 / 1500
    crop_n_points_downscale_factor: int = 1
    point_grids: Sequence[ArrayLike] | None = None
    min_mask_region_area: float = 0
    use_m2m: bool = False
    multimask_output: bool = True

    def __post_init__(self) -> None:
        self._check_count("points_per_batch", least=1)
        self._check_count("crop_n_layers", least=0)
        self._check_count("crop_n_points_downscale_factor", least=1)
        for name in ("pred_iou_thresh", "stability_score_thresh"):
            if getattr(self, name) is not None:
                self._check_number(name, most=1, why="scores are in [0, 1], and 0 keeps every mask")
        self._check_number("stability_score_offset", least=0)
        self._check_number("mask_threshold")
        for name in ("box_nms_thresh", "crop_nms_thresh"):
            self._check_number(name, least=0, most=1, why="an IoU is in [0, 1], and 1 keeps every mask")
        self._check_number("crop_overlap_ratio", least=0, below=1, why="crops must not be the whole image")
        self._check_number("min_mask_region_area", least=0)
        if (self.points_per_side is None) == (self.point_grids is None):
            grids = "is None as well" if self.point_grids is None else "is given as well"
            raise ValueError(
                f"points_per_side is {self.points_per_side} and point_grids {grids}, but points come from one of them: "
                "set points_per_side, or give point_grids with points_per_side=None"
            )
        if self.point_grids is None:
            self._check_count("points_per_side", least=1)
        self.grids()  # raises where they are wrong

    def for_model(self, config: ModelConfig) -> "GeneratorOptions":
        """These options with the thresholds that suit a model in the place of None."""
        predicted_iou, stability = NANO_THRESHOLDS if is_nano(config) else PUBLISHED_THRESHOLDS
        return replace(
            self,
            pred_iou_thresh=predicted_iou if self.pred_iou_thresh is None else self.pred_iou_thresh,
            stability_score_thresh=stability if self.stability_score_thresh is None else self.stability_score_thresh,
        )

    def grids(self) -> list[np.ndarray]:
        """Points (N, 2) in [0, 1], float64, for the whole image and for the crops of each layer."""
        if self.point_grids is not None:
            return _checked_grids(self.point_grids, self.crop_n_layers + 1)
        assert self.points_per_side is not None
        sides = layer_sides(self.points_per_side, self.crop_n_layers, self.crop_n_points_downscale_factor)
        if 0 in sides:
            raise ValueError(
                f"points_per_side is {self.points_per_side}, of which crop_n_points_downscale_factor "
                f"{self.crop_n_points_downscale_factor} leaves no point in layer {sides.index(0)} of crops: set more "
                "points, fewer layers (crop_n_layers) or a smaller factor"
            )
        return [point_grid(side) for side in sides]

    def _check_count(self, name: str, *, least: int) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} is {value!r}, but must be a whole number of at least {least}")

    def _check_number(
        self,
        name: str,
        *,
        least: float = -math.inf,
        most: float = math.inf,
        below: float = math.inf,
        why: str = "",
    ) -> None:
        value = getattr(self, name)
        is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        if is_number and math.isfinite(value) and least <= value <= most and value < below:
            return
        bounds = [f"at least {least:g}"] if least > -math.inf else []
        bounds += [f"at most {most:g}"] if most < math.inf else []
        bounds += [f"below {below:g}"] if below < math.inf else []
        limits = " " + " and ".join(bounds) if bounds else ""
        reason = f": {why}" if why else ""
        raise ValueError(f"{name} is {value!r}, but must be a finite number{limits}{reason}")


def _checked_grids(grids: Sequence[ArrayLike], num_layers: int) -> list[np.ndarray]:
    if len(grids) != num_layers:
        raise ValueError(
            f"point_grids holds {len(grids)} grids, but crop_n_layers={num_layers - 1} needs {num_layers}: one for the "
            "whole image and one for each layer of crops"
        )
    arrays = []
    for layer, grid in enumerate(grids):
        try:
            array = np.asarray(grid, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"point_grids[{layer}] is not rows of two numbers: {grid!r}") from error
        if array.ndim != 2 or array.shape[1] != 2 or len(array) == 0:
            raise ValueError(f"point_grids[{layer}] has the shape {array.shape}, but must be (N, 2): a row (x, y) each")
        inside = (array >= 0) & (array <= 1)
        if not inside.all():
            wrong = array[~inside.all(1)][0].tolist()
            raise ValueError(f"point_grids[{layer}] holds {wrong}, but x and y must be in [0, 1]: shares of the image")
        arrays.append(array)
    return arrays
