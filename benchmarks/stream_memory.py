"""Resident memory while a stream of synthetic frames is followed: it must not grow with the stream's length.

    python benchmarks/stream_memory.py [--frames 2000] [--objects 3] [--model nano] [--plot FILE.png]

Discs of flat colour move over a background of noise, each object is clicked on in the first frame. After frame 100,
when all memories are full, resident memory is compared with what it is at the end.
"""

import argparse
import os
import time
from pathlib import Path

import cv2
import numpy as np

import masklet
from masklet.evaluation.bench.clip import DiscClip
from masklet.io.files import write_image

WARM = 100
"""Frames after which nothing should grow any more."""


def resident() -> float:
    """Resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def follow(model_name: str, count: int, num_objects: int) -> list[float]:
    """Follow the objects; resident memory after each frame."""
    session = masklet.VideoSession(masklet.load_model(model_name))
    clip = DiscClip(count, num_objects)
    used = []
    start = time.perf_counter()
    for index in range(count):
        session.step(clip[index])
        if index == 0:
            for n, centre in enumerate(clip.centres(0)):
                session.add_points(frame_index=0, object_id=n + 1, points=[centre], labels=[1])
        used.append(resident())
        if index % 500 == 499:
            rate = (index + 1) / (time.perf_counter() - start)
            print(f"frame {index + 1}: {used[-1]:.1f} MiB, {rate:.1f} frames a second", flush=True)
    return used


def draw(used: list[float], path: Path) -> None:
    """Memory over frames, as a picture."""
    height, width, margin = 320, 800, 40
    canvas = np.full((height, width, 3), 255, np.uint8)
    top = max(used) * 1.15
    x = np.linspace(margin, width - margin, len(used))
    y = height - margin - (height - 2 * margin) * np.array(used) / top
    cv2.polylines(canvas, [np.stack([x, y], -1).astype(np.int32)], False, (30, 110, 220), 2, cv2.LINE_AA)
    grey, font = (90, 90, 90), cv2.FONT_HERSHEY_SIMPLEX
    cv2.line(canvas, (margin, height - margin), (width - margin, height - margin), grey, 1)
    cv2.putText(canvas, f"{top:.0f} MiB", (4, margin), font, 0.4, grey, 1, cv2.LINE_AA)
    label = f"resident memory over {len(used)} frames"
    cv2.putText(canvas, label, (margin, height - 14), font, 0.5, grey, 1, cv2.LINE_AA)
    write_image(path, canvas)


def main() -> None:
    """Stream, report, and fail if memory grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--objects", type=int, default=3)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    used = follow(args.model, args.frames, args.objects)
    grown = used[-1] - used[WARM]
    print(
        f"{args.frames} frames, {args.objects} objects: {used[WARM]:.1f} MiB after frame {WARM}, {grown:+.1f} MiB since"
    )
    if args.plot:
        draw(used, args.plot)
    if grown > 50:
        raise SystemExit("resident memory grew by more than 50 MiB")


if __name__ == "__main__":
    main()
