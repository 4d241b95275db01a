"""Time to find everything in a picture, beside PyPI `sam2`, in one run and in turns, with the same random weights.

    python benchmarks/bench_everything.py [PICTURE] [--model sam2.1_hiera_tiny] [--image-size 1024]
        [--points-per-side 32] [--repeats 1] [--cpu-time] [--json FILE] [--first FILE.py]

Both begin with the picture as an array and end with records in COCO's RLE; the records are compared, one to one. Random
weights score all masks much alike, so thresholds are set for a third of the candidates to pass by their predicted IoU,
half of these by their stability, and none to be suppressed by another's box. The masks are speckled over the whole
picture, unlike those of objects. On the CPU, in float32. --cpu-time: CPU seconds, for a machine with other work; with
OMP_NUM_THREADS=1, since threads that wait count too. --first: as in `bench_peers.py`.
"""

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peers import Official, import_first
from pycocotools import mask as coco_mask

from masklet.compat.sam2 import SAM2AutomaticMaskGenerator
from masklet.evaluation.bench.machine import describe_machine
from masklet.evaluation.bench.random_model import random_model
from masklet.io.files import write_json
from masklet.io.images import read_image
from masklet.model import Sam2
from masklet.ops.masks import stability_score
from masklet.predictors import mask_candidates, mask_generator
from masklet.predictors.image import ImagePredictor
from masklet.types import Points

PICTURES = (Path("../shared/data/truck.jpg"), Path("examples/media/coffee.jpg"))
SAMPLES_PER_SIDE = 6
"""Points a side from whose masks the thresholds are set."""

Record = dict[str, Any]


def thresholds(model: Sam2, picture: np.ndarray) -> dict[str, float]:
    """Options with which about a sixth of all candidates is kept; see above."""
    predictor, side = ImagePredictor(model), model.config.image_size
    features = predictor.encode(picture)
    places = (torch.arange(SAMPLES_PER_SIDE) + 0.5) / SAMPLES_PER_SIDE * side
    points = Points(torch.cartesian_prod(places, places)[:, None], torch.ones(SAMPLES_PER_SIDE**2, 1, dtype=torch.long))
    decoded = predictor.decode(features, points, None, multimask=True)
    least_iou = float(decoded.iou_scores.quantile(2 / 3))
    offset = 0.1 * float(decoded.logits.std())
    stability = stability_score(decoded.logits[decoded.iou_scores > least_iou], offset)
    return {
        "pred_iou_thresh": least_iou,
        "stability_score_offset": offset,
        "stability_score_thresh": float(stability.median()),
        "box_nms_thresh": 1.0,
    }


@contextmanager
def stages(clock: Callable[[], float]) -> Iterator[dict[str, float]]:
    """Seconds of masklet's stages, which grow as everything is found in the block; inner ones count to themselves."""
    seconds: dict[str, float] = defaultdict(float)
    parts = {
        "encode": (Sam2, "encode_image"),
        "score": (Sam2, "score_masks"),
        "draw": (Sam2, "draw_masks"),
        "full size": (mask_candidates.FullSizeFilter, "select"),
        "RLE": (mask_candidates, "encode_rle_part"),
        "NMS": (mask_generator, "box_nms"),
    }
    originals = {stage: getattr(*place) for stage, place in parts.items()}
    inside: list[float] = []

    def timed(stage: str) -> Any:
        def run(*args: Any, **kwargs: Any) -> Any:
            inside.append(0.0)
            start = clock()
            result = originals[stage](*args, **kwargs)
            taken = clock() - start
            seconds[stage] += taken - inside.pop()
            if inside:
                inside[-1] += taken
            return result

        return run

    try:
        for stage, place in parts.items():
            setattr(*place, timed(stage))
        yield seconds
    finally:
        for stage, place in parts.items():
            setattr(*place, originals[stage])


def compare(ours: list[Record], theirs: list[Record]) -> tuple[int, float]:
    """How many records have a partner found by the same point, and the lowest IoU of two partners' masks."""
    by_point: dict[tuple[float, float], list[Record]] = defaultdict(list)
    for record in ours:
        by_point[tuple(record["point_coords"][0])].append(record)
    ious = []
    for record in theirs:
        others = by_point[tuple(record["point_coords"][0])]
        if others:
            found = coco_mask.iou([other["segmentation"] for other in others], [record["segmentation"]], [0])[:, 0]
            ious.append(float(found.max()))
            others.pop(int(found.argmax()))
    return len(ious), min(ious, default=0.0)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path, nargs="?", default=next((p for p in PICTURES if p.exists()), PICTURES[0]))
    parser.add_argument("--model", default="sam2.1_hiera_tiny")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--points-per-side", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--first", type=Path)
    return parser.parse_args()


@torch.no_grad()
def main() -> None:
    """Measure and print; as JSON too, on request."""
    arguments = parse()
    if arguments.first:
        import_first(arguments.first)
    picture = read_image(arguments.picture)
    model = random_model(arguments.model, image_size=arguments.image_size)
    options = {**thresholds(model, picture), "points_per_side": arguments.points_per_side, "output_mode": "coco_rle"}
    generators = {"masklet": SAM2AutomaticMaskGenerator(model, **options)}
    try:
        from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator as OfficialGenerator

        with tempfile.TemporaryDirectory() as folder:
            official = Official(model, arguments.model, Path(folder))
        generators["sam2"] = OfficialGenerator(official.image_model, **options)
    except (ImportError, RuntimeError) as error:
        print(f"sam2 is left out: {error}")
    print(f"{describe_machine('cpu')}, load {os.getloadavg()[0]:.1f}")
    print(f"{arguments.model} at {model.config.image_size} px, {arguments.picture.name} of {picture.shape[:2]}")
    print(options, flush=True)
    clock = time.process_time if arguments.cpu_time else time.perf_counter
    seconds: dict[str, list[float]] = defaultdict(list)
    records: dict[str, list[Record]] = {}
    with stages(clock) as shares:
        for _ in range(arguments.repeats):
            for name, generator in generators.items():
                start = clock()
                records[name] = generator.generate(picture)
                seconds[name].append(clock() - start)
                print(f"{name:10} {seconds[name][-1]:7.1f} s, {len(records[name])} records", flush=True)
    per_run = {stage: taken / arguments.repeats for stage, taken in shares.items()}
    print("masklet's stages:", ", ".join(f"{stage} {taken:.1f} s" for stage, taken in per_run.items()))
    if "sam2" in seconds:
        matched, lowest = compare(records["masklet"], records["sam2"])
        ratio = float(np.median(seconds["sam2"]) / np.median(seconds["masklet"]))
        print(f"sam2 takes {ratio:.2f} x as long; {matched} records have partners, of IoU {lowest:.4f} at least")
    if arguments.json:
        machine = asdict(describe_machine("cpu"))
        write_json(arguments.json, {"machine": machine, "options": options, "seconds": seconds, "stages": per_run})


if __name__ == "__main__":
    main()
