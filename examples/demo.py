"""Segments a photograph by a click and a box, follows an object through a video, and writes what it found into out/.

Run by `make demo`. Nothing is downloaded: photograph, video and weights come with the repository.
"""

import time
from pathlib import Path

import numpy as np

import masklet
from masklet.io.files import write_image, write_mask_png
from masklet.io.images import read_image
from masklet.io.overlay import draw_overlay
from masklet.io.picture_grid import draw_grid
from masklet.io.video_writer import VideoWriter
from masklet.model import Sam2
from masklet.types import Prompt

REPOSITORY = Path(__file__).resolve().parents[1]
PHOTOGRAPH = REPOSITORY / "examples" / "media" / "coffee.jpg"
CLIP = REPOSITORY / "examples" / "media" / "bunny.mp4"
OUTPUT = REPOSITORY / "out"

COFFEE = (290, 160)
"""A pixel of the coffee, as (x, y)."""

CUP = (170, 16, 412, 285)
"""A box around the cup, as (x0, y0, x1, y1)."""

RABBIT = (135, 150)
"""A pixel of the rabbit on the clip's first frame."""

NUM_VIEWS = 4
"""Frames of the clip that are shown side by side."""


def segment_photograph(model: Sam2, output: Path) -> None:
    """One encoding of the picture, two prompts, four files and a sheet of all."""
    photograph = read_image(PHOTOGRAPH)
    predictor = masklet.ImagePredictor(model, max_hole_area=16, max_sprinkle_area=16)
    start = time.perf_counter()
    features = predictor.encode(photograph)
    print(f"{PHOTOGRAPH.name}: encoded in {time.perf_counter() - start:.2f} s")

    by_click = predictor.predict(features, points=[COFFEE], labels=[1])
    by_box = predictor.predict(features, boxes=CUP, multimask=False)
    views = [photograph]
    for name, prediction, prompt in (
        ("click", by_click, Prompt(points=[COFFEE], labels=[1])),
        ("box", by_box, Prompt(boxes=[CUP])),
    ):
        mask, score = prediction.best, float(prediction.scores.max())
        views.append(draw_overlay(photograph, {1: mask}, prompt=prompt, captions=[f"{name} {score:.2f}"]))
        write_mask_png(output / f"{PHOTOGRAPH.stem}-{name}.png", mask)
        write_image(output / f"{PHOTOGRAPH.stem}-{name}.jpg", views[-1])
        print(f"by a {name}: predicted IoU {score:.2f}, {np.mean(mask):.0%} of the picture")
        print(f"  out/{PHOTOGRAPH.stem}-{name}.png  the mask\n  out/{PHOTOGRAPH.stem}-{name}.jpg  an overlay")
    write_image(output / "demo.jpg", draw_grid(views, columns=len(views)))
    print("all side by side: out/demo.jpg")


def follow_object(model: Sam2, output: Path) -> None:
    """One click on the first frame; a mask and an overlay of every frame."""
    masks = output / CLIP.stem
    masks.mkdir(exist_ok=True)
    views, seen = [], 0
    start = time.perf_counter()
    with masklet.VideoSession(model, CLIP) as video:
        first = video.add_points(frame_index=0, object_id=1, points=[RABBIT], labels=[1])
        assert video.num_frames is not None
        assert video.frame_size is not None
        shown = {round(i * (video.num_frames - 1) / (NUM_VIEWS - 1)) for i in range(NUM_VIEWS)}
        with VideoWriter(output / f"{CLIP.stem}.mp4", video.frame_size, like=CLIP) as writer:
            for frame in video.propagate():
                write_mask_png(masks / f"{frame.frame_index:05d}.png", frame.masks[1])
                click = Prompt(points=[RABBIT], labels=[1]) if frame.prompted else None
                view = draw_overlay(video.frame(frame.frame_index), frame.masks, prompt=click)
                writer.write(view)
                seen += bool(frame.masks[1].any())
                if frame.frame_index in shown:
                    views.append(view)
    count, seconds = video.num_frames, time.perf_counter() - start
    write_image(output / f"{CLIP.stem}.jpg", draw_grid(views, columns=2))
    print(f"{CLIP.name}: predicted IoU {first.scores[1]:.2f} on the first frame, the rabbit on {seen} of {count}")
    print(f"  {count / seconds:.0f} frames a second, drawing and writing included")
    print(f"  out/{CLIP.stem}.mp4  an overlay, with the clip's sound\n  out/{CLIP.stem}/      a mask for each frame")
    print(f"  out/{CLIP.stem}.jpg  some frames side by side")


def main() -> None:
    """The whole demonstration."""
    OUTPUT.mkdir(exist_ok=True)
    model = masklet.load_model("nano")
    segment_photograph(model, OUTPUT)
    follow_object(model, OUTPUT)


if __name__ == "__main__":
    main()
