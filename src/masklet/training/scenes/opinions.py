"""What a trained model thinks belongs together: each generation of a model helps to find what the next learns from.

A grid of clicks is answered with three masks each. Two superpixels are near each other if the same masks cover them, so
one wrong mask counts little: what is merged by these distances is better than the masks themselves.
"""

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from masklet.checkpoint.load import load_weights
from masklet.io.images import preprocess_batch
from masklet.types import PointLabel, Points

IMAGE_SIZE = 192
"""Side in pixels at which the model is asked, if it is not told another."""

GRID = 12
"""Clicks along each side."""

DIMENSIONS = 24
"""Coordinates that are kept: the directions in which superpixels differ most."""


class ModelOpinion:
    """Answers where superpixels lie by a model's masks. weights: as of `masklet.load_model`."""

    def __init__(self, weights: str, image_size: int = IMAGE_SIZE) -> None:
        self.model = load_weights(weights, image_size=image_size).eval()
        ticks = (torch.arange(GRID) + 0.5) / GRID * image_size - 0.5
        clicks = torch.cartesian_prod(ticks, ticks)[:, None].flip(-1)
        self.points = Points(clicks, torch.full(clicks.shape[:2], int(PointLabel.POSITIVE)))

    def __call__(self, rgb: UInt8[np.ndarray, "H W 3"], labels: Int[np.ndarray, "H W"]) -> Float[np.ndarray, "S D"]:
        """Coordinates of each superpixel, their mean 0 and their mean distance from it about 1."""
        masks, quality = self._masks(rgb)
        covered = _pooling(labels, masks.shape[1]) @ masks.reshape(len(masks), -1).T * quality
        covered -= covered.mean(0)
        # Principal coordinates: distances between superpixels stay, in fewer numbers.
        spread, directions = np.linalg.eigh(covered @ covered.T)
        coordinates = (directions * np.sqrt(spread.clip(0)))[:, -DIMENSIONS:]
        return coordinates / max(float(np.sqrt((coordinates**2).sum(1).mean())), 1e-9)

    @torch.inference_mode()
    def _masks(self, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (K, h, h) of all masks that the clicks find, and how good each is thought to be (K,)."""
        model = self.model
        features = model.encode_image(preprocess_batch([rgb], model.config.image_size))
        embedding = model.attend_memory(features.stride16)
        decoded = model.decode_masks(embedding, features, model.encode_prompts(self.points))
        masks = decoded.logits[:, 1:].sigmoid().flatten(0, 1)
        return masks.numpy(), decoded.iou_scores[:, 1:].flatten().clamp(0, 1).numpy()


def _pooling(labels: np.ndarray, side: int) -> Float[np.ndarray, "S c"]:
    """Shares of each superpixel that lie in the cells of a square grid: what a map is averaged with."""
    rows, columns = ((np.arange(length) * side // length) for length in labels.shape)
    cells = rows[:, None] * side + columns
    num_cells = side * side
    joint = labels.astype(np.int64) * num_cells + cells
    counts = np.bincount(joint.ravel(), minlength=(int(labels.max()) + 1) * num_cells).reshape(-1, num_cells)
    return (counts / counts.sum(1, keepdims=True)).astype(np.float32)
