"""Automatic masks: everything in a picture, found by clicking on all of it.

    records = MaskGenerator(load_model("nano")).generate("truck.jpg")

A grid of points is laid over the image, and over crops of it on request; each point alone is a prompt. Of the masks,
those that the model thinks good and that hardly depend on the threshold are kept, and of those that overlap much, the
best. The rules, their order and the numbers are upstream's; results are values (`MaskRecord`), not dictionaries.

Memory hardly grows with the picture, because one mask at a time has its size (see `mask_candidates`). On 4000 x 3000
pixels and a CPU, `nano` adds 180 MB to a process at its peak and a tiny 2.1 model at 1024 px 400 MB, both while the
image is encoded; the search after it stays below that.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from masklet.io.images import ImageLike, read_image
from masklet.model import Sam2
from masklet.ops.grids import Crop, crop_grid
from masklet.ops.mask_record import MaskRecord
from masklet.ops.nms import box_nms
from masklet.ops.regions import fill_small_holes, remove_small_islands
from masklet.ops.rle import decode_rle, encode_rle, rle_area, rle_box
from masklet.predictors.generator_options import GeneratorOptions
from masklet.predictors.image import ImagePredictor
from masklet.predictors.mask_candidates import Candidates, search_crop
from masklet.types import ImageFeatures

DEFAULT_OPTIONS = GeneratorOptions()

OnProgress = Callable[[int, int], None]
"""Called with the number of points done and of all points."""


class MaskGenerator:
    """Finds everything in a picture. The model should be in eval mode. `options` then holds the thresholds in use.

    predictor: encodes the crops and decodes the points where it should be another than the plain `ImagePredictor` of
    the model; its `max_hole_area` and `max_sprinkle_area` clean low-res logits before anything is measured, its
    `stability` rules over single masks.
    """

    def __init__(
        self, model: Sam2, options: GeneratorOptions = DEFAULT_OPTIONS, *, predictor: ImagePredictor | None = None
    ) -> None:
        if predictor is not None and predictor.model is not model:
            raise ValueError("the predictor has another model than the generator: make both with the same")
        self.model = model
        self.options = options.for_model(model.config)
        self.predictor = predictor or ImagePredictor(model, mask_threshold=self.options.mask_threshold)
        self._grids = options.grids()

    def generate(self, image: ImageLike, *, on_progress: OnProgress | None = None) -> list[MaskRecord]:
        """Records of all masks in one image, whatever `read_image` takes; best predicted IoU first.

        With crops, masks found in smaller crops come first, and before all others those that `min_mask_region_area` did
        not change. Errors are those of `read_image`.
        """
        return self.generate_batch([image], on_progress=on_progress)[0]

    @torch.no_grad()
    def generate_batch(
        self, images: Sequence[ImageLike], *, on_progress: OnProgress | None = None
    ) -> list[list[MaskRecord]]:
        """`generate` for several images of any sizes, the whole images encoded as one batch."""
        if len(images) == 0:
            return []
        arrays = [read_image(image) for image in images]
        options = self.options
        crops = [crop_grid(a.shape[:2], options.crop_n_layers, options.crop_overlap_ratio) for a in arrays]
        progress = _Progress(sum(len(self._grids[crop.layer]) for of_image in crops for crop in of_image), on_progress)
        whole = self.predictor.encode_batch(arrays)
        return [self._generate(array, whole[index], crops[index], progress) for index, array in enumerate(arrays)]

    def _generate(
        self, array: np.ndarray, whole: ImageFeatures, crops: list[Crop], progress: "_Progress"
    ) -> list[MaskRecord]:
        parts = []
        for crop in crops:
            left, top, right, bottom = crop.box
            part = array[top:bottom, left:right]
            features = whole if crop.layer == 0 else self.predictor.encode_batch([np.ascontiguousarray(part)])
            parts.append(self._search_crop(features, crop, array.shape[:2], progress))
        found = Candidates.join(parts)
        if len(crops) > 1:
            sides = found.crop_boxes[:, 2:] - found.crop_boxes[:, :2]
            found = found[box_nms(found.boxes, 1 / sides.prod(1), self.options.crop_nms_thresh)]
        if self.options.min_mask_region_area > 0:
            found = self._clean_regions(found)
        return _to_records(found)

    def _search_crop(
        self, features: ImageFeatures, crop: Crop, image_size: tuple[int, int], progress: "_Progress"
    ) -> Candidates:
        parts = []
        grid = self._grids[crop.layer]
        for num_points, selected in search_crop(self.predictor, features, grid, crop, image_size, self.options):
            parts += selected
            progress.add(num_points)
        found = Candidates.join(parts)
        return found[box_nms(found.boxes, found.predicted_ious, self.options.box_nms_thresh)]

    def _clean_regions(self, found: Candidates) -> Candidates:
        """The masks without small holes and islands; where boxes overlap now, those that did not change go first."""
        area = self.options.min_mask_region_area
        rles, unchanged = [], []
        for rle in found.rles:
            mask = decode_rle(rle)
            cleaned = remove_small_islands(fill_small_holes(mask, area), area)
            unchanged.append(bool((cleaned == mask).all()))
            rles.append(rle if unchanged[-1] else encode_rle(cleaned))
        boxes = torch.tensor([rle_box(rle) for rle in rles], dtype=torch.int64).view(-1, 4)
        boxes[:, 2:] += boxes[:, :2] - 1
        cleaned_up = replace(found, rles=rles, boxes=boxes)
        threshold = max(self.options.box_nms_thresh, self.options.crop_nms_thresh)
        return cleaned_up[box_nms(boxes, torch.tensor(unchanged, dtype=torch.float32), threshold)]


class _Progress:
    """Counts points, over all crops and images, for whoever wants to know."""

    def __init__(self, num_points: int, on_progress: OnProgress | None) -> None:
        self._num_points = num_points
        self._num_done = 0
        self._on_progress = on_progress

    def add(self, num_points: int) -> None:
        self._num_done += num_points
        if self._on_progress is not None:
            self._on_progress(self._num_done, self._num_points)


def _to_records(found: Candidates) -> list[MaskRecord]:
    records = []
    for index, rle in enumerate(found.rles):
        left, top, right, bottom = found.crop_boxes[index].tolist()
        x, y = found.points[index].tolist()
        record = MaskRecord(
            rle=rle,
            area=rle_area(rle),
            box=rle_box(rle),
            predicted_iou=float(found.predicted_ious[index]),
            stability_score=float(found.stability_scores[index]),
            point=(x, y),
            crop_box=(left, top, right - left, bottom - top),
        )
        records.append(record)
    return records
