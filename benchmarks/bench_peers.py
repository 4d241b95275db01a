"""Times of masklet beside the peers that are importable, in one run and in turns, with the same random weights.

    python benchmarks/bench_peers.py [--model sam2.1_hiera_tiny] [--image-size 512] [--what encode predict ...]
        [--objects 1 4 16] [--repeats 5] [--device cpu] [--json FILE] [--first FILE.py]

Works: encode a picture; predict from a click; decode the 1024 clicks of automatic masks; one video frame with full
memory. All in float32. Peers: PyPI `transformers` and `sam2` (installing it takes torchvision, hydra and a compiler).
--first imports a file before them, such as one that makes torchvision load beside another build of torch.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from peers import PEERS, Contender, Masklet, import_first

from masklet.evaluation.bench.clock import Run, Timing, interleave
from masklet.evaluation.bench.machine import describe_machine
from masklet.evaluation.bench.random_model import random_model
from masklet.io.files import write_json

WORKS = ("encode", "predict", "automatic", "video")


def contenders(arguments: argparse.Namespace, folder: Path) -> dict[str, Contender]:
    """masklet, and the peers that load."""
    model = random_model(arguments.model, image_size=arguments.image_size, device=arguments.device)
    found: dict[str, Contender] = {"masklet": Masklet(model, arguments.model, folder)}
    if arguments.model == "nano":
        print("the peers have no model of nano's kind")
        return found
    for name, peer in PEERS.items():
        try:
            found[name] = peer(model, arguments.model, folder)
        except (ImportError, RuntimeError) as error:
            print(f"{name} is left out: {error}")
    return found


def works(names: list[str], objects: list[int], found: dict[str, Contender]) -> Iterator[tuple[str, dict[str, Run]]]:
    """Each work, as everyone does it."""
    for name in names:
        if name == "video":
            for number in objects:
                yield f"video, {number} objects", {who: peer.video(number) for who, peer in found.items()}
        elif name == "encode":
            yield name, {who: peer.encode for who, peer in found.items()}
        else:
            yield name, {who: getattr(peer, name)() for who, peer in found.items()}


def show(work: str, timings: dict[str, Timing]) -> None:
    """A line for each contender."""
    ours = timings["masklet"].median
    for name, timing in timings.items():
        lower, upper = (1000 * seconds for seconds in timing.quartiles)
        print(
            f"{work:18} {name:13} {1000 * timing.median:9.1f} ms ({lower:.1f} to {upper:.1f})"
            f"   {timing.median / ours:5.2f} x ours",
            flush=True,
        )


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="sam2.1_hiera_tiny")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--what", nargs="+", choices=WORKS, default=WORKS)
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--first", type=Path)
    return parser.parse_args()


@torch.no_grad()
def main() -> None:
    """Measure and print; as JSON too, on request."""
    arguments = parse()
    if arguments.first:
        import_first(arguments.first)
    report: dict[str, Any] = {"machine": asdict(describe_machine(arguments.device)), "seconds": {}}
    print(f"{describe_machine(arguments.device)}, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        found = contenders(arguments, Path(folder))
    side = found["masklet"].side
    print(f"{arguments.model} at {side} px, random weights, float32", flush=True)
    for work, runs in works(arguments.what, arguments.objects, found):
        timings = interleave(runs, repeats=arguments.repeats, device=arguments.device)
        show(work, timings)
        report["seconds"][work] = {name: timing.seconds for name, timing in timings.items()}
    if arguments.json:
        write_json(arguments.json, report | {"model": arguments.model, "image_size": side})


if __name__ == "__main__":
    main()
