"""Time of encoding an image and of predicting from a click, beside the peers that are importable.

    python benchmarks/bench_image.py [--model sam2.1_hiera_tiny] [--image-size 1024] [--repeats 7] [--json FILE]

All models get the same random weights, in float32 on the CPU, and take turns, so that a noisy machine is noisy for
all; medians are reported, and ratios to ours. Peers: PyPI `transformers`, and `sam2` (which needs torchvision, hydra
and a compiler to install). Also: where our time goes, and our encoder's share of the machine's matrix-product rate.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from masklet.checkpoint.save import save_model
from masklet.config import preset
from masklet.io.images import preprocess
from masklet.model import Sam2
from masklet.types import Points

CLICK = (0.4, 0.6)
"""As shares of the image's width and height."""

SHORT = {"tiny": "t", "small": "s", "base_plus": "b+", "large": "l"}

Work = tuple[Callable[[], object], Callable[[], object]]
"""Encode an image; predict from a click on the image that was encoded last."""


def ours(model: Sam2, image: np.ndarray) -> Work:
    """masklet, from pixels to low-res logits."""
    side = model.config.image_size
    pixels = preprocess(image, side)[None]
    points = Points(torch.tensor([[CLICK]]) * side, torch.ones(1, 1, dtype=torch.long))
    features = model.encode_image(pixels)

    def predict() -> object:
        return model.decode_masks(model.attend_memory(features.stride16), features, model.encode_prompts(points))

    return lambda: model.encode_image(pixels), predict


def transformers_work(folder: Path, image: np.ndarray, side: int) -> Work:
    """`transformers.Sam2Model` on the same weights."""
    from transformers import Sam2Model

    model = Sam2Model.from_pretrained(folder).eval()
    pixels = preprocess(image, side)[None]
    points, labels = torch.tensor([[[CLICK]]]) * side, torch.ones(1, 1, 1, dtype=torch.long)
    embeddings = model.get_image_embeddings(pixels)

    def predict() -> object:
        return model(image_embeddings=embeddings, input_points=points, input_labels=labels, multimask_output=True)

    return lambda: model.get_image_embeddings(pixels), predict


def sam2_work(checkpoint: Path, image: np.ndarray, name: str) -> Work:
    """PyPI `sam2` on the same weights, with the inner methods of its predictor, so that no resizing is timed."""
    from sam2.build_sam import build_sam2
    from sam2.sam2_image_predictor import SAM2ImagePredictor

    family, _, size = name.partition("_hiera_")
    config = f"configs/{family}/{family}_hiera_{SHORT[size]}.yaml"
    predictor = SAM2ImagePredictor(build_sam2(config, str(checkpoint), device="cpu"))
    predictor.set_image(image)
    side = predictor.model.image_size
    pixels = preprocess(image, side)[None]
    points, labels = torch.tensor([[CLICK]]) * side, torch.ones(1, 1, dtype=torch.int32)
    embeddings = predictor._features
    decoder = predictor.model.sam_mask_decoder

    def predict() -> object:
        sparse, dense = predictor.model.sam_prompt_encoder(points=(points, labels), boxes=None, masks=None)
        return decoder(
            image_embeddings=embeddings["image_embed"],
            image_pe=predictor.model.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
            repeat_image=False,
            high_res_features=embeddings["high_res_feats"],
        )

    return lambda: predictor.model.forward_image(pixels), predict


def peers(model: Sam2, name: str, image: np.ndarray, folder: Path) -> dict[str, Work]:
    """Those that can be imported."""
    side, found = model.config.image_size, {}
    try:
        save_model(model, folder / "hf", "hf-image")
        found["transformers"] = transformers_work(folder / "hf", image, side)
    except ImportError as error:
        print(f"transformers is left out: {error}")
    try:
        save_model(model, folder / "official.pt", "official")
        found["sam2"] = sam2_work(folder / "official.pt", image, name)
    except ImportError as error:
        print(f"sam2 is left out: {error}")
    return found


def interleave(works: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each, taken in turns after one warm-up each."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def stages(model: Sam2, image: np.ndarray, repeats: int) -> dict[str, float]:
    """Median seconds of our parts."""
    pixels = preprocess(image, model.config.image_size)[None]
    maps = model.trunk(pixels)
    fine = model.neck(maps)[:2]
    works = {
        "preprocess": lambda: preprocess(image, model.config.image_size),
        "trunk": lambda: model.trunk(pixels),
        "neck": lambda: model.neck(maps),
        "high-resolution projections": lambda: model.mask_decoder.project_high_res(*fine),
    }
    return interleave(works, repeats)


def matmul_rate(side: int = 2048) -> float:
    """The machine's float32 matrix products, in operations a second."""
    a, b = torch.randn(side, side), torch.randn(side, side)
    return 2 * side**3 / interleave({"matmul": lambda: a @ b}, 5)["matmul"]


def processor() -> str:
    """The processor's own name, where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


@torch.no_grad()
def main() -> None:
    """Measure and print; as JSON too, on request."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="sam2.1_hiera_tiny")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()

    torch.manual_seed(0)
    config = preset(arguments.model).with_image_size(arguments.image_size)
    model = Sam2(config).eval()
    image = np.random.default_rng(0).integers(0, 255, (1200, 1800, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        works = {"masklet": ours(model, image)}
        if arguments.model != "nano" and arguments.image_size is None:
            works |= peers(model, arguments.model, image, Path(folder))
        encode = interleave({name: work[0] for name, work in works.items()}, arguments.repeats)
        predict = interleave({name: work[1] for name, work in works.items()}, 3 * arguments.repeats)
    with FlopCounterMode(display=False) as counter:
        works["masklet"][0]()
    rate = matmul_rate()
    report = {
        "machine": f"{processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "model": arguments.model,
        "image_size": config.image_size,
        "encode_seconds": encode,
        "predict_seconds": predict,
        "stage_seconds": stages(model, image, arguments.repeats),
        "encode_gflop": counter.get_total_flops() / 1e9,
        "matmul_gflop_per_second": rate / 1e9,
        "encode_share_of_matmul_rate": counter.get_total_flops() / encode["masklet"] / rate,
    }
    for what, seconds in (("encode", encode), ("predict", predict)):
        for name, value in seconds.items():
            print(f"{what:8} {name:13} {value * 1000:9.1f} ms   {value / seconds['masklet']:5.2f} x ours")
    for name, value in report["stage_seconds"].items():
        print(f"  {name:28} {value * 1000:9.1f} ms")
    print(f"encoder: {report['encode_share_of_matmul_rate']:.0%} of the rate of large matrix products")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
