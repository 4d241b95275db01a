"""Masks where people drew boxes: `python -m masklet.training.masks_by_box BOXES.json IMAGES MASKS.json`.

A box is drawn in a moment, an outline is not, so there are many more boxes. Told an object's box, a model finds the
whole of it far more often than told a point. So what it finds in boxes teaches it, or another, what a point may mean.

BOXES.json is a COCO file whose annotations have a `bbox` [x, y, width, height]; MASKS.json becomes the same file with
the annotations whose object was found, each with its `segmentation` (RLE) and `area`. `kind: coco` learns from it.

Each picture is looked at at three sizes, and mirrored, and the mean of the logits counts. A mask that does not fill its
box is of a part of the object, or of something else, and is left out; so are crowds, and boxes too small to be sure of.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from rich.console import Console
from rich.progress import track

from masklet.checkpoint.load import load_weights
from masklet.io.files import read_json, write_json
from masklet.io.formats.coco_file import CocoFile
from masklet.io.formats.reading import naming
from masklet.io.images import preprocess_batch, read_image
from masklet.ops.coordinates import to_model_pixels
from masklet.ops.masks import resize_logits
from masklet.ops.regions import remove_small_islands
from masklet.ops.rle import encode_rle
from masklet.types import PointLabel, Points

IMAGE_SIZES = (224, 288, 352)
"""Sides at which a picture is looked at: around the 288 px of `nano`."""

SURE_LOGIT = 8.0
"""Logits beyond this say no more than it, or one look would outvote the others."""

MIN_BOX_AREA = 0.012
"""Share of the picture."""

REACH = 0.02
"""Share of a box's longer side by which its object may exceed it, since people draw boxes by hand."""

MIN_ISLAND = 0.05
"""Islands of a smaller share of a mask are noise."""

MIN_AGREEMENT = 0.8
"""IoU of a box and of the box around the mask that was found in it."""

MIN_FILL = 0.25
"""Share of its box that an object covers."""


class BoxOpinion:
    """What a model finds in boxes. weights: as of `masklet.load_model`."""

    def __init__(self, weights: str, image_sizes: Sequence[int] = IMAGE_SIZES) -> None:
        self.models = [load_weights(weights, image_size=size).eval() for size in image_sizes]

    @torch.inference_mode()
    def __call__(self, rgb: UInt8[np.ndarray, "H W 3"], boxes: Float[np.ndarray, "N 4"]) -> Float[np.ndarray, "N H W"]:
        """Mean logits for boxes (x0, y0, x1, y1) in pixels, of all sizes and both ways round."""
        size = rgb.shape[0], rgb.shape[1]
        mirrored = np.stack([size[1] - boxes[:, 2], boxes[:, 1], size[1] - boxes[:, 0], boxes[:, 3]], axis=1)
        total = torch.zeros(len(boxes), *size)
        for model in self.models:
            side = model.config.image_size
            for picture, corners, is_mirrored in ((rgb, boxes, False), (rgb[:, ::-1], mirrored, True)):
                features = model.encode_image(preprocess_batch([np.ascontiguousarray(picture)], side))
                pairs = torch.from_numpy(corners.reshape(-1, 2, 2)).float()
                kinds = torch.tensor([PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT]).expand(len(boxes), 2)
                prompts = model.encode_prompts(Points(to_model_pixels(pairs, size, side), kinds))
                decoded = model.decode_masks(model.attend_memory(features.stride16), features, prompts)
                logits = resize_logits(decoded.logits[:, :1].float(), size)[:, 0].clamp(-SURE_LOGIT, SURE_LOGIT)
                total += logits.flip(-1) if is_mirrored else logits
        return (total / (2 * len(self.models))).numpy()


def find_in_box(logits: Float[np.ndarray, "H W"], box: Float[np.ndarray, "4"]) -> Bool[np.ndarray, "H W"] | None:
    """The mask of the object that a box (x0, y0, x1, y1) is around, or None if what was found does not fill it."""
    x0, y0, x1, y1 = box
    reach = REACH * max(x1 - x0, y1 - y0)
    rows, columns = (np.arange(length) + 0.5 for length in logits.shape)
    near = ((rows >= y0 - reach) & (rows <= y1 + reach))[:, None] & (columns >= x0 - reach) & (columns <= x1 + reach)
    mask = (logits > 0) & near
    if not mask.any():
        return None
    mask = remove_small_islands(mask, MIN_ISLAND * float(mask.sum()))
    ys, xs = np.nonzero(mask)
    found = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], float)
    agrees = _box_iou(found, box) >= MIN_AGREEMENT and mask.sum() >= MIN_FILL * (x1 - x0) * (y1 - y0)
    return mask if agrees else None


def find_masks(boxes: Path, images: Path, output: Path, weights: str) -> tuple[int, int]:
    """Write the annotations of a COCO file whose objects were found in their boxes; returns how many, and of how many.

    FileNotFoundError or ValueError names the file or entry that is wrong; nothing is written then.
    """
    file = CocoFile(boxes)
    opinion = BoxOpinion(weights)
    kept, num_boxes = [], 0
    for image_id in track(file.annotated, "pictures", console=Console(stderr=True)):
        annotations = file.annotations(image_id)
        with naming(f"a bbox of image {image_id} of {boxes}"):
            corners = np.array([_corners(annotation["bbox"]) for annotation in annotations])
        rgb = read_image(images / file.file_name(image_id))
        widths, heights = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
        large = np.flatnonzero(widths * heights >= MIN_BOX_AREA * rgb.shape[0] * rgb.shape[1])
        num_boxes += len(annotations)
        if not len(large):
            continue
        for index, logits in zip(large, opinion(rgb, corners[large]), strict=True):
            mask = find_in_box(logits, corners[index])
            if mask is not None:
                kept.append({**annotations[index], "segmentation": encode_rle(mask), "area": int(mask.sum())})
    write_json(output, {**read_json(boxes, ()), "annotations": kept})
    return len(kept), num_boxes


def _corners(bbox: Sequence[float]) -> list[float]:
    x, y, width, height = map(float, bbox)
    if not (width > 0 and height > 0):
        raise ValueError(f"it is {bbox}, but it must be [x, y, width, height] with a positive width and height")
    return [x, y, x + width, y + height]


def _box_iou(one: np.ndarray, other: np.ndarray) -> float:
    common = (np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])).clip(0).prod()
    areas = (one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod()
    return float(common / (areas - common))


def main() -> int:
    """Run it from the command line; returns 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("boxes", type=Path, metavar="BOXES.json", help="a COCO file")
    parser.add_argument("images", type=Path, metavar="IMAGES", help="the folder of its pictures")
    parser.add_argument("output", type=Path, metavar="MASKS.json", help="a COCO file to be written")
    parser.add_argument(
        "--model", default="nano", help="name or weights of the model that is asked, %(default)s by default"
    )
    arguments = parser.parse_args()
    try:
        found, of = find_masks(arguments.boxes, arguments.images, arguments.output, arguments.model)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{found} of {of} boxes have a mask in {arguments.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
