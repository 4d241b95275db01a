"""Candidate masks of one crop: from points to masks at full size that passed the filters, as run lengths.

The order of the work is what makes it quick: candidates are scored before any is drawn, those with a low predicted
IoU are never drawn, those that cannot be stable are let go at low resolution, and of the others only the window where
there is something is brought to full size, one or a few at a time. A mask that passes is at once encoded and let go.
The numbers are those of upstream, which brings all candidates of a batch to full size first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from masklet.ops.boxes import masks_to_boxes
from masklet.ops.coordinates import to_model_pixels
from masklet.ops.grids import Crop, is_cut_by_crop
from masklet.ops.rle import RLE, encode_rle_part
from masklet.ops.window_resize import WindowResizer, rounding_margin
from masklet.predictors.generator_options import GeneratorOptions
from masklet.predictors.image import LOW_RES_LIMIT, ImagePredictor
from masklet.types import DecodedMasks, ImageFeatures, PointLabel, Points

MAX_PIXELS_ON_CPU = 2**18
"""Full-size logits in work at once: 1 MB of them stay in a core's cache."""

MAX_PIXELS_ON_GPU = 2**24
"""As many as keep a GPU busy, 64 MB and a few times that at the peak, and as float32 can count."""

COUNT_MARGIN = 1e-4
"""More than a quotient of counts in float32 can be off."""


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """K masks of an image, on the CPU. boxes: XYXY in image pixels, the last pixel inside. crop_boxes: XYXY."""

    rles: Sequence[RLE]
    boxes: Int64[Tensor, "K 4"]
    predicted_ious: Float[Tensor, "K"]
    stability_scores: Float[Tensor, "K"]
    points: Float[Tensor, "K 2"]
    crop_boxes: Int64[Tensor, "K 4"]

    def __len__(self) -> int:
        return len(self.rles)

    def __getitem__(self, rows: Int64[Tensor, "N"]) -> "Candidates":
        """Some of them, in the order given."""
        return Candidates(
            rles=[self.rles[row] for row in rows.tolist()],
            boxes=self.boxes[rows],
            predicted_ious=self.predicted_ious[rows],
            stability_scores=self.stability_scores[rows],
            points=self.points[rows],
            crop_boxes=self.crop_boxes[rows],
        )

    @classmethod
    def join(cls, parts: Sequence["Candidates"]) -> "Candidates":
        """Those of several, which may be none, in their order."""
        if not parts:
            no_boxes, no_scores = torch.zeros((0, 4), dtype=torch.int64), torch.zeros(0)
            return cls(
                rles=[],
                boxes=no_boxes,
                predicted_ious=no_scores,
                stability_scores=no_scores,
                points=torch.zeros((0, 2)),
                crop_boxes=no_boxes,
            )
        return cls(
            rles=[rle for part in parts for rle in part.rles],
            boxes=torch.cat([part.boxes for part in parts]),
            predicted_ious=torch.cat([part.predicted_ious for part in parts]),
            stability_scores=torch.cat([part.stability_scores for part in parts]),
            points=torch.cat([part.points for part in parts]),
            crop_boxes=torch.cat([part.crop_boxes for part in parts]),
        )


@dataclass(frozen=True)
class Proposals:
    """K masks as the decoder draws them, on the model's device: low-res logits, predicted IoUs and points (x, y)."""

    logits: Float[Tensor, "K h w"]
    predicted_ious: Float[Tensor, "K"]
    points: Float[Tensor, "K 2"]

    def __getitem__(self, rows: slice | Tensor) -> "Proposals":
        """Some of them."""
        return Proposals(self.logits[rows], self.predicted_ious[rows], self.points[rows])


def search_crop(
    predictor: ImagePredictor,
    features: ImageFeatures,
    grid: Float64[np.ndarray, "N 2"],
    crop: Crop,
    image_size: tuple[int, int],
    options: GeneratorOptions,
) -> Iterator[tuple[int, list[Candidates]]]:
    """Masks of one encoded crop that pass the filters, a batch of points at a time, with the number of its points.

    grid: points (x, y) in [0, 1] of the crop. image_size: (height, width) of the whole image.
    """
    height, width = crop.size
    full_size = FullSizeFilter(predictor, crop, image_size, options)
    for num_points, proposals in propose(predictor, features, torch.from_numpy(grid * (width, height)), options):
        yield num_points, full_size.select(proposals)


def propose(
    predictor: ImagePredictor, features: ImageFeatures, points: Float[Tensor, "N 2"], options: GeneratorOptions
) -> Iterator[tuple[int, Proposals]]:
    """Masks for points (x, y) in pixels of an encoded crop that have the predicted IoU it takes, a batch at a time.

    With each batch comes the number of its points, of which some may have no such mask.
    """
    points = points.float().to(predictor.model.device)
    for batch in points.split(predictor.prompts_at_once(options.points_per_batch)):
        if options.multimask_output and not options.use_m2m:
            yield len(batch), _draw_passing(predictor, features, batch, options)
        else:
            yield len(batch), _decode_all(predictor, features, batch, options)


def _draw_passing(
    predictor: ImagePredictor, features: ImageFeatures, points: Tensor, options: GeneratorOptions
) -> Proposals:
    model = predictor.model
    prompts = model.encode_prompts(_clicks(predictor, features, points))
    scored = model.score_masks(model.attend_memory(features.stride16), prompts)
    scores = scored.iou_scores.float()
    passing = _passing(scores, options)
    passing[:, 0] = False  # the single mask is none of the three
    prompt, candidate = passing.nonzero(as_tuple=True)
    if len(prompt):
        logits = model.draw_masks(scored, features, prompt, candidate).float()
    else:
        logits = torch.zeros((0, model.config.mask_side, model.config.mask_side), device=model.device)
    return Proposals(logits, scores[prompt, candidate], points[prompt])


def _decode_all(
    predictor: ImagePredictor, features: ImageFeatures, points: Tensor, options: GeneratorOptions
) -> Proposals:
    """One mask a point, which must be drawn to be chosen; or masks that are given back, each with its point."""
    decoded = predictor.decode(features, _clicks(predictor, features, points), None, options.multimask_output)
    points = points.repeat_interleave(decoded.logits.shape[1], dim=0)
    if options.use_m2m:
        masks = decoded.logits.flatten(0, 1)[:, None].clamp(-LOW_RES_LIMIT, LOW_RES_LIMIT)
        batches = zip(points.split(options.points_per_batch), masks.split(options.points_per_batch), strict=True)
        refined = [predictor.decode(features, _clicks(predictor, features, p), m, multimask=False) for p, m in batches]
        decoded = DecodedMasks.join(refined)
    scores = decoded.iou_scores.flatten()
    passing = _passing(scores, options)
    return Proposals(decoded.logits.flatten(0, 1)[passing], scores[passing], points[passing])


def _clicks(predictor: ImagePredictor, features: ImageFeatures, points: Tensor) -> Points:
    coords = to_model_pixels(points[:, None], features.image_sizes[0], predictor.model.config.image_size)
    return Points(coords, torch.full(coords.shape[:2], PointLabel.POSITIVE, device=coords.device))


def _passing(scores: Tensor, options: GeneratorOptions) -> Tensor:
    assert options.pred_iou_thresh is not None, "options.for_model says what suits the model"
    if options.pred_iou_thresh <= 0:
        return torch.ones_like(scores, dtype=torch.bool)
    return scores > options.pred_iou_thresh


class FullSizeFilter:
    """Brings proposals of one crop to full size, a few at once, and encodes those that are stable and not cut off.

    image_size: (height, width) of the whole image, which the results are relative to.
    """

    def __init__(
        self, predictor: ImagePredictor, crop: Crop, image_size: tuple[int, int], options: GeneratorOptions
    ) -> None:
        device, side = predictor.model.device, predictor.model.config.mask_side
        self._predictor = predictor
        self._crop = crop
        self._image_size = image_size
        assert options.stability_score_thresh is not None, "options.for_model says what suits the model"
        self._options = options
        self._least_stability = options.stability_score_thresh
        self._resizer = WindowResizer((side, side), crop.size, device)
        self._max_pixels = MAX_PIXELS_ON_CPU if device.type == "cpu" else MAX_PIXELS_ON_GPU
        self._above = options.mask_threshold + options.stability_score_offset
        self._below = options.mask_threshold - options.stability_score_offset

    def select(self, proposals: Proposals) -> list[Candidates]:
        """The masks that pass, in parts."""
        if not len(proposals.logits):
            return []
        proposals = replace(proposals, logits=self._predictor.clean(proposals.logits))
        proposals = proposals[self._may_be_stable(proposals.logits)]
        height, width = self._crop.size
        at_once = max(1, self._max_pixels // (height * width))
        starts = range(0, len(proposals.logits), at_once)
        parts = [self._select_some(proposals[start : start + at_once]) for start in starts]
        return [part for part in parts if len(part)]

    def _may_be_stable(self, logits: Tensor) -> Tensor:
        """False for masks whose stability score is too low whatever full size shows."""
        threshold = self._least_stability
        if threshold <= 0:
            return torch.ones(len(logits), dtype=torch.bool, device=logits.device)
        _, inner_at_most = self._resizer.count_bounds(logits, self._above)
        outer_at_least, _ = self._resizer.count_bounds(logits, self._below)
        return inner_at_most >= (threshold - COUNT_MARGIN) * outer_at_least

    def _select_some(self, proposals: Proposals) -> Candidates:
        rows, columns = self._resizer.window(proposals.logits > self._below - rounding_margin(self._below))
        masks, stability = self._cut(proposals.logits, rows, columns)
        kept = torch.ones_like(stability, dtype=torch.bool)
        if self._least_stability > 0:
            kept = stability >= self._least_stability
            if not kept.any():
                return Candidates.join([])
        boxes = self._boxes(masks, (columns.start, rows.start))
        kept &= ~is_cut_by_crop(boxes, self._crop, self._image_size)
        left, top = self._crop.box[:2]
        corner = (left + columns.start, top + rows.start)
        chosen = kept.nonzero()[:, 0].tolist()
        return Candidates(
            rles=[encode_rle_part(masks[index].cpu().numpy(), corner, self._image_size) for index in chosen],
            boxes=boxes[kept].cpu(),
            predicted_ious=proposals.predicted_ious[kept].cpu(),
            stability_scores=stability[kept].cpu(),
            points=proposals.points[kept].cpu() + torch.tensor([left, top]),
            crop_boxes=torch.tensor([self._crop.box]).expand(len(chosen), 4),
        )

    def _cut(self, logits: Tensor, rows: slice, columns: slice) -> tuple[Tensor, Tensor]:
        """Masks in a window, and their stability scores."""
        shape = (len(logits), rows.stop - rows.start, columns.stop - columns.start)
        # Comparisons that write int8 or float32 are several times as quick on a CPU as those that write bool.
        masks = torch.empty(shape, dtype=torch.int8, device=logits.device)
        inner = torch.zeros(len(logits), dtype=torch.int64, device=logits.device)
        outer = torch.zeros_like(inner)
        for part, band in self._resizer.bands(logits, rows, columns, self._max_pixels):
            torch.gt(band, self._options.mask_threshold, out=masks[:, part])
            exceeds = torch.empty_like(band)
            inner += torch.gt(band, self._above, out=exceeds).sum((1, 2)).long()
            outer += torch.gt(band, self._below, out=exceeds).sum((1, 2)).long()
        return masks.view(torch.bool), torch.where(outer > 0, inner.float() / outer.clamp(min=1), 0.0)

    def _boxes(self, masks: Tensor, corner: tuple[int, int]) -> Tensor:
        """Boxes XYXY in image pixels of masks in a window of the crop; of an empty mask the crop's first pixel."""
        in_window = masks_to_boxes(masks)
        occupied = masks[:, 0, 0] | (in_window != 0).any(1)
        in_crop = torch.where(occupied[:, None], in_window + torch.tensor(corner * 2, device=masks.device), 0)
        return in_crop + torch.tensor(self._crop.box[:2] * 2, device=masks.device)
