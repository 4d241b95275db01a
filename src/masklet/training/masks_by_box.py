"""Masks where people drew boxes: `python -m masklet.training.masks_by_box BOXES.json IMAGES MASKS.json`.

A box is drawn in a moment, an outline is not, so there are many more boxes. Told an object's box, a model finds the
whole of it far more often than told a point. So what it finds in boxes teaches it, or another, what a point may mean.

BOXES.json is a COCO file whose annotations have a `bbox` [x, y, width, height]; MASKS.json becomes the same file with
the annotations whose object was found, each with its `segmentation` (RLE) and `area`, whatever these were before.
`kind: coco` learns from it.

Each picture is looked at at three sizes, and mirrored, and the mean of the logits counts. A mask that does not fill its
box is of a part of the object, or of something else, and is left out; so are crowds, and boxes too small to be sure of.
Pictures that cannot be read are named and passed over. Ctrl-C writes what was found so far.
"""

import argparse
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from rich.console import Console
from rich.progress import track
from torch import Tensor

from masklet.checkpoint.load import load_weights
from masklet.datasets.image_data import find_picture
from masklet.io.files import write_json
from masklet.io.formats.coco_file import CocoFile
from masklet.io.images import preprocess_batch, read_image
from masklet.model import Sam2
from masklet.ops.coordinates import to_model_pixels
from masklet.ops.masks import resize_logits
from masklet.ops.regions import remove_small_islands
from masklet.ops.rle import encode_rle
from masklet.types import ImageFeatures, Points

OTHER_SIZES = (0.78, 1.22)
"""Sides at which a picture is looked at besides the model's own, as shares of it."""

STRIDE = 32
"""Sides of a model are multiples of it."""

BOXES_AT_ONCE = 8
"""As logits at the picture's size take the most memory."""

SURE_LOGIT = 8.0
"""Logits beyond this say no more than it, or one look would outvote the others."""

MIN_BOX_AREA = 0.012
"""Least share of the picture that a box covers."""

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

    def __init__(self, weights: str) -> None:
        own = load_weights(weights).eval()
        sides = [round(own.config.image_size * share / STRIDE) * STRIDE for share in OTHER_SIZES]
        self.models = [own, *(load_weights(weights, image_size=side).eval() for side in sides)]

    def __call__(
        self, rgb: UInt8[np.ndarray, "H W 3"], boxes: Float[np.ndarray, "N 4"]
    ) -> Iterator[Float[np.ndarray, "H W"]]:
        """The mean logits of all sizes and both ways round, for each box (x0, y0, x1, y1) in pixels."""
        size = rgb.shape[0], rgb.shape[1]
        looks = [(model, _encode(model, rgb), _encode(model, rgb[:, ::-1])) for model in self.models]
        corners = torch.from_numpy(boxes.reshape(-1, 2, 2)).float()
        for group in corners.split(BOXES_AT_ONCE):
            mirrored = torch.stack([size[1] - group[:, [1, 0], 0], group[..., 1]], dim=-1)
            total = torch.zeros(len(group), *size)
            for model, straight, reverse in looks:
                total += _decode(model, straight, group, size)
                total += _decode(model, reverse, mirrored, size).flip(-1)
            yield from (total / (2 * len(self.models))).numpy()


@torch.inference_mode()
def _encode(model: Sam2, rgb: np.ndarray) -> ImageFeatures:
    return model.encode_image(preprocess_batch([np.ascontiguousarray(rgb)], model.config.image_size))


@torch.inference_mode()
def _decode(model: Sam2, features: ImageFeatures, corners: Tensor, size: tuple[int, int]) -> Tensor:
    prompts = model.encode_prompts(Points.of_boxes(to_model_pixels(corners, size, model.config.image_size)))
    decoded = model.decode_masks(model.attend_memory(features.stride16), features, prompts)
    single = decoded.logits[:, :1].float().clamp(-SURE_LOGIT, SURE_LOGIT)
    return resize_logits(single, size)[:, 0]


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


def find_masks(boxes: Path, images: Path, output: Path, weights: str) -> tuple[int, int, list[str]]:
    """Write the annotations of a COCO file whose objects were found in their boxes.

    Returns how many, of how many, and what is wrong with pictures that were passed over. Before anything is looked for,
    FileNotFoundError or ValueError names the file or the annotation that is wrong.
    """
    if output.resolve() == boxes.resolve():
        raise ValueError(f"{output} would replace the boxes: name another file for the masks")
    if not output.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {output.parent} to write {output.name} into")
    file = CocoFile(boxes)
    pictures = {id_: find_picture(file.file_name(id_), [images]) for id_ in file.annotated}
    for picture in pictures.values():
        if not picture.is_file():
            raise FileNotFoundError(f"there is no picture {picture}, which {boxes} has boxes of")
    corners = {id_: np.array([_corners(one, boxes) for one in file.annotations(id_)]) for id_ in file.annotated}
    opinion = BoxOpinion(weights)
    kept: list[dict[str, Any]] = []
    faults: list[str] = []
    try:
        for id_ in track(file.annotated, "pictures", console=Console(stderr=True)):
            try:
                kept += _find_in_picture(pictures[id_], file, id_, corners[id_], opinion)
            except (OSError, ValueError) as error:
                faults.append(str(error))
    finally:  # what was found so far is kept, whatever stops the rest
        write_json(output, {**file.contents, "annotations": kept})
    return len(kept), sum(map(len, corners.values())), faults


def _find_in_picture(
    picture: Path, file: CocoFile, image_id: int, corners: Float[np.ndarray, "N 4"], opinion: BoxOpinion
) -> list[dict[str, Any]]:
    rgb = read_image(picture)
    height, width = size = rgb.shape[:2]
    if file.size(image_id) not in (None, size):
        raise ValueError(f"{picture} has the size {size}, but {file.path} says {file.size(image_id)} of it")
    corners = corners.clip(0, [width, height, width, height])
    large = np.flatnonzero((corners[:, 2:] - corners[:, :2]).prod(1) >= MIN_BOX_AREA * height * width)
    masks = (find_in_box(logits, box) for logits, box in zip(opinion(rgb, corners[large]), corners[large], strict=True))
    annotations = file.annotations(image_id)
    return [
        {**annotations[index], "segmentation": encode_rle(mask), "area": int(mask.sum())}
        for index, mask in zip(large, masks, strict=True)
        if mask is not None
    ]


def _corners(annotation: dict[str, Any], path: Path) -> list[float]:
    """A box's (x0, y0, x1, y1)."""
    match annotation.get("bbox"):
        case [int() | float(), int() | float(), int() | float(), int() | float()] as bbox if (
            all(map(math.isfinite, bbox)) and min(bbox[2:]) >= 0
        ):
            x, y, width, height = bbox
            return [x, y, x + width, y + height]
        case other:
            raise ValueError(
                f"the bbox of annotation {annotation.get('id')} of {path} is {other!r}, but it must be "
                "[x, y, width, height], four numbers, the last two not negative"
            )


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
    parser.add_argument("--model", default="nano", help="a name or weights, %(default)s by default")
    arguments = parser.parse_args()
    try:
        num_kept, num_boxes, faults = find_masks(arguments.boxes, arguments.images, arguments.output, arguments.model)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"stopped; what was found so far is in {arguments.output}", file=sys.stderr)
        return 130
    for fault in faults:
        print(f"passed over: {fault}", file=sys.stderr)
    print(f"{num_kept} of {num_boxes} boxes have a mask in {arguments.output}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
