"""Regions of a photograph as a hierarchy of merged superpixels: targets a click can mean where nobody drew masks.

Felzenszwalb's superpixels are merged greedily by colour, texture and the strength of their shared boundary,
as in ultrametric contour maps (Arbelaez et al., 2011) with plain gradients in the place of a trained boundary
detector. A merged region that stays whole over a wide range of merging heights is likely one that a person
would draw; its persistence is its score. A model that can answer clicks already may be asked, too: superpixels that its
masks keep together are merged sooner (`masklet.training.scenes.opinions`). Needs scikit-image (the `train` extra), in
preparation only.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np

COLOUR_BINS = 12
"""Of the histogram of a colour channel."""

TEXTURE_BINS = 8
"""Of the histograms of gradients' orientations and magnitudes, at each of two scales."""

SUPERPIXEL_SCALE = 30.0
SUPERPIXEL_SIGMA = 0.6
MIN_SUPERPIXEL = 0.0006
"""Felzenszwalb's parameters: the preference for large superpixels, the blur before, the least share of the image."""

COLOUR_WEIGHT = 1.0
HISTOGRAM_WEIGHT = 0.8
TEXTURE_WEIGHT = 0.7
BOUNDARY_WEIGHT = 1.2
"""What the parts of a merging cost count: mean colours, their histograms, textures, and the shared boundary."""

OPINION_WEIGHT = 2.0
OPINION_SIZE_EXPONENT = 0.3
"""What a model's opinion counts beside that, where there is one, and `SIZE_EXPONENT` for it."""

SHADING = 0.25
FULL_BOUNDARY = 0.25
"""What colours count where there is no boundary at all, and the strength of one that lets them count in full."""

SIZE_EXPONENT = 0.3
"""Of the smaller region's share of the image, by which the cost is multiplied."""

MIN_AREA = 0.005
MAX_AREA = 0.6
"""Shares of the image that a region covers."""

FULL_HEIGHT = 1.2
"""Height of merging with its surroundings from which on a region's persistence counts in full."""

MIN_SCORE = 0.1
MAX_OVERLAP = 0.8
"""A region is kept for a score of so much, and an IoU of less with every better one."""


@dataclass(frozen=True, kw_only=True)
class Regions:
    """Regions of one picture: mask of region r is `members[r][labels]`.

    labels: uint16 (H, W), superpixel of every pixel, 0..S-1. members: bool (R, S). scores: float32 (R,), > 0.
    """

    labels: np.ndarray
    members: np.ndarray
    scores: np.ndarray


Opinion: TypeAlias = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From rgb and superpixels' labels to coordinates (S, D), at distances of about 1, near where they belong together."""

_Edges: TypeAlias = dict[tuple[int, int], tuple[float, float]]
"""By pair of neighbours, the smaller number first: boundary length and summed boundary strength."""


@dataclass
class _Nodes:
    """Running statistics of the live regions; sums, so that a merge is an addition."""

    area: np.ndarray
    lab: np.ndarray
    colour: np.ndarray
    texture: np.ndarray
    opinion: np.ndarray
    """(S, 0) where no model was asked."""


def superpixels(rgb: np.ndarray) -> np.ndarray:
    """Felzenszwalb superpixels of `rgb` (uint8 (H, W, 3)) as int32 labels (H, W), 0..S-1."""
    from skimage.segmentation import felzenszwalb

    lab = cv2.cvtColor(rgb.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    lab = cv2.bilateralFilter(lab, 5, 12.0, 2.0) / 100.0
    smallest = max(4, int(MIN_SUPERPIXEL * rgb.shape[0] * rgb.shape[1]))
    # channel_axis is last; the scale is in units of the summed channel difference times 255
    segments = felzenszwalb(lab, scale=SUPERPIXEL_SCALE / 100.0, sigma=SUPERPIXEL_SIGMA, min_size=smallest)
    return segments.astype(np.int32)


def find_regions(rgb: np.ndarray, max_regions: int = 32, ask: Opinion | None = None) -> Regions:
    """Stable regions of `rgb` (uint8 (H, W, 3)), the `max_regions` best, best first. ask: a model's opinion."""
    labels = superpixels(rgb)
    nodes, edges = _measure(rgb, labels)
    if ask:
        nodes.opinion = ask(rgb, labels) * nodes.area[:, None]
    parents, heights, areas = _merge(nodes, edges)
    members, scores = _select(parents, heights, areas / labels.size, max_regions)
    return Regions(labels=labels.astype(np.uint16), members=members, scores=scores)


def _texture_channels(lab: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(orientation bin, magnitude bin) maps of the lightness at two scales, int32 (H, W) each."""
    channels = []
    for sigma in (0.8, 2.0):
        light = cv2.GaussianBlur(lab[..., 0], (0, 0), sigma)
        dx, dy = cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)
        magnitude = np.hypot(dx, dy)
        angle = np.mod(np.arctan2(dy, dx), np.pi) / np.pi
        orientation = np.where(magnitude > 4.0, 1 + (angle * (TEXTURE_BINS - 1)), 0).astype(np.int32)
        strength = np.log2(1.0 + magnitude).astype(np.int32)
        channels.append((orientation.clip(0, TEXTURE_BINS - 1), strength.clip(0, TEXTURE_BINS - 1)))
    return channels


def _gradient(lab: np.ndarray) -> np.ndarray:
    """Colour gradient magnitude over two scales, about 0..1, float32 (H, W)."""
    total = np.zeros(lab.shape[:2], np.float32)
    for sigma, weight in ((1.0, 0.5), (2.5, 1.0)):
        smooth = cv2.GaussianBlur(lab, (0, 0), sigma)
        dx, dy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
        total += weight * np.sqrt((dx * dx + dy * dy).sum(-1))
    return np.minimum(total / 60.0, 2.0)


def _measure(rgb: np.ndarray, labels: np.ndarray) -> tuple[_Nodes, _Edges]:
    """Statistics of the superpixels and, by pair of neighbours, (boundary length, summed boundary strength)."""
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    flat, count = labels.ravel(), int(labels.max()) + 1

    def histogram(bins: np.ndarray, num_bins: int) -> np.ndarray:
        joint = flat * num_bins + bins.ravel()
        return np.bincount(joint, minlength=count * num_bins).reshape(count, num_bins).astype(np.float64)

    area = np.bincount(flat, minlength=count).astype(np.float64)
    sums = np.stack([np.bincount(flat, lab[..., c].ravel(), count) for c in range(3)], 1)
    spans = ((0.0, 100.0), (-60.0, 60.0), (-60.0, 60.0))
    bins = [((lab[..., c] - lo) / (hi - lo) * COLOUR_BINS).clip(0, COLOUR_BINS - 1) for c, (lo, hi) in enumerate(spans)]
    colour = np.concatenate([histogram(b.astype(np.int32), COLOUR_BINS) for b in bins], 1)
    texture = np.concatenate([histogram(b, TEXTURE_BINS) for pair in _texture_channels(lab) for b in pair], 1)
    nodes = _Nodes(area=area, lab=sums, colour=colour, texture=texture, opinion=np.zeros((count, 0)))
    return nodes, _boundaries(labels, _gradient(lab))


def _boundaries(labels: np.ndarray, gradient: np.ndarray) -> _Edges:
    pairs, strengths = [], []
    for a, b, ga, gb in (
        (labels[:, :-1], labels[:, 1:], gradient[:, :-1], gradient[:, 1:]),
        (labels[:-1], labels[1:], gradient[:-1], gradient[1:]),
    ):
        edge = a != b
        pairs.append(np.stack([np.minimum(a[edge], b[edge]), np.maximum(a[edge], b[edge])], 1))
        strengths.append(np.maximum(ga[edge], gb[edge]))
    keys, index = np.unique(np.concatenate(pairs), axis=0, return_inverse=True)
    length = np.bincount(index.ravel(), minlength=len(keys))
    strength = np.bincount(index.ravel(), np.concatenate(strengths), len(keys))
    return {(int(a), int(b)): (float(n), float(s)) for (a, b), n, s in zip(keys, length, strength, strict=True)}


def _distance(nodes: _Nodes, one: int, others: np.ndarray, edge: np.ndarray, total: float) -> np.ndarray:
    """Merging cost of region `one` with each of `others`; `edge` (N, 2) is boundary length and strength."""
    area_one, area = nodes.area[one], nodes.area[others]
    mean_gap = np.linalg.norm(nodes.lab[others] / area[:, None] - nodes.lab[one] / area_one, axis=1) / 25.0

    def chi_square(histograms: np.ndarray, num_parts: int) -> np.ndarray:
        p, q = histograms[one] / area_one, histograms[others] / area[:, None]
        return ((p - q) ** 2 / (p + q + 1e-9)).sum(1) / (2 * num_parts)

    boundary = edge[:, 1] / edge[:, 0]
    # Colours that drift apart without an edge between are shading of one thing, above all in skies.
    seen = SHADING + (1.0 - SHADING) * np.minimum(boundary / FULL_BOUNDARY, 1.0)
    colour = COLOUR_WEIGHT * np.minimum(mean_gap, 2.0) + HISTOGRAM_WEIGHT * chi_square(nodes.colour, 3)
    cost = seen * colour + TEXTURE_WEIGHT * chi_square(nodes.texture, 4) + BOUNDARY_WEIGHT * boundary
    # Small regions are absorbed first, and those mostly enclosed by the other even sooner (eyes, spots, windows).
    smaller = np.minimum(area_one, area)
    contact = np.minimum(edge[:, 0] / (4.0 * np.sqrt(smaller)), 1.0)
    by_pixels = cost * (smaller / total) ** SIZE_EXPONENT * (1.25 - 0.5 * contact)
    apart = np.linalg.norm(nodes.opinion[others] / area[:, None] - nodes.opinion[one] / area_one, axis=1)
    return by_pixels + OPINION_WEIGHT * apart * (smaller / total) ** OPINION_SIZE_EXPONENT


def _merge(nodes: _Nodes, edges: _Edges) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Merge to one region. Returns parents (2S-1,) with -1 at the root, heights and areas (2S-1,)."""
    count = len(nodes.area)
    size = 2 * count - 1
    for name in ("area", "lab", "colour", "texture", "opinion"):
        old = getattr(nodes, name)
        setattr(nodes, name, np.concatenate([old, np.zeros((count - 1, *old.shape[1:]))]))
    total = float(nodes.area.sum())
    neighbours: list[dict[int, tuple[float, float]]] = [{} for _ in range(size)]
    for (a, b), edge in edges.items():
        neighbours[a][b] = neighbours[b][a] = edge
    heap: list[tuple[float, int, int]] = []

    def push(node: int, others: list[int]) -> None:
        edge = np.array([neighbours[node][o] for o in others])
        for cost, other in zip(_distance(nodes, node, np.array(others), edge, total), others, strict=True):
            heapq.heappush(heap, (float(cost), node, other))

    for node in range(count):
        if later := [o for o in neighbours[node] if o > node]:
            push(node, later)
    parents, heights = np.full(size, -1), np.zeros(size)
    for new in range(count, size):
        while True:
            cost, a, b = heapq.heappop(heap)
            if parents[a] < 0 and parents[b] < 0:
                break
        parents[a] = parents[b] = new
        heights[new] = max(cost, heights[a], heights[b])
        for values in (nodes.area, nodes.lab, nodes.colour, nodes.texture, nodes.opinion):
            values[new] = values[a] + values[b]
        for old in (a, b):
            for other, edge in neighbours[old].items():
                if other not in (a, b):
                    known = neighbours[new].get(other, (0.0, 0.0))
                    neighbours[new][other] = (known[0] + edge[0], known[1] + edge[1])
                    neighbours[other][new] = neighbours[new][other]
                    del neighbours[other][old]
        if neighbours[new]:
            push(new, list(neighbours[new]))
    return parents, heights, nodes.area


def _select(
    parents: np.ndarray, heights: np.ndarray, areas: np.ndarray, max_regions: int
) -> tuple[np.ndarray, np.ndarray]:
    """Stable nodes of the tree as (members bool (R, S), scores float32 (R,)), best first, near-duplicates dropped."""
    count = (len(parents) + 1) // 2
    members = np.zeros((len(parents), count), bool)
    members[np.arange(count), np.arange(count)] = True
    for node, parent in enumerate(parents):  # children come before their parents
        if parent >= 0:
            members[parent] |= members[node]
    top = heights[parents.clip(0)]
    persistence = np.where(parents >= 0, (top - heights) / np.maximum(top, 1e-9), 0.0)
    # A superpixel has height 0, so its persistence would be 1 whatever it shows.
    persistence[:count] = np.minimum(persistence[:count], 0.35)
    # A low parent means noise among noise: a region must also part from its surroundings at a fair height.
    scores = persistence * np.minimum(top / FULL_HEIGHT, 1.0)
    valid = (areas >= MIN_AREA) & (areas <= MAX_AREA) & (scores >= MIN_SCORE)
    chosen: list[int] = []
    weight = areas[:count]
    for node in np.argsort(-scores):
        if not valid[node] or len(chosen) == max_regions:
            continue
        inter = members[chosen] & members[node]
        union = members[chosen] | members[node]
        if not chosen or ((inter @ weight) / (union @ weight)).max() < MAX_OVERLAP:
            chosen.append(int(node))
    return members[chosen], scores[chosen].astype(np.float32)
