"""What is timed: the things people do with a model, each as a function to be called again and again.

- encode: a picture, as an array, to features; resizing it is part of it.
- predict: from a click on an encoded picture to three masks of the picture's size.
- automatic: what finding every object in an encoded picture asks of the model: 32 x 32 clicks, decoded in batches of
  64, to three low-res masks each. Choosing among the masks and cleaning them is left out.
- video: one frame on which objects are followed with full memory (seven maps, sixteen pointers): encoding it, finding
  each object, remembering it, masks of the frame's size. Memory is filled by repeating that of the first frame.
- clip: a whole video from opening it to the last frame's masks, clicks on its first frame among it. It is what
  upstream's benchmark measures, which has the frames decoded and resized before, though, and one click given.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import torch

from masklet.evaluation.bench.clip import DiscClip
from masklet.evaluation.bench.clock import Run
from masklet.io.images import preprocess
from masklet.io.video import open_video
from masklet.model import Sam2
from masklet.predictors.image import ImagePredictor
from masklet.predictors.video import VideoSession
from masklet.types import FrameMasks, FrameSource, Points

POINTS_PER_SIDE, POINTS_PER_BATCH = 32, 64
"""Of automatic mask generation (upstream's defaults)."""

CLIP_FRAMES = 32
"""Frames of the clip where no video is given."""

ENDLESS = 10**9
"""Frames of a video in which there is always another frame to be found."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """Something to time."""

    name: str
    run: Run
    num_items: int = 1
    unit: str
    """What `num_items` counts, in the plural: a speed is told in these a second."""
    num_objects: int | None = None
    prepare: Run | None = None
    """The preprocessing that is part of `run`, alone."""


def encode_work(model: Sam2) -> Work:
    """Encode a picture."""
    predictor, picture = ImagePredictor(model), DiscClip(1)[0]
    return Work(
        name="encode",
        run=lambda: predictor.encode(picture),
        unit="images",
        prepare=lambda: preprocess(picture, model.config.image_size, model.device, model.dtype),
    )


def predict_work(model: Sam2) -> Work:
    """Predict from a click."""
    predictor, clip = ImagePredictor(model), DiscClip(1)
    features = predictor.encode(clip[0])
    clicks = clip.centres(0)
    return Work(name="predict", run=lambda: predictor.predict(features, points=clicks, labels=[1]), unit="clicks")


def automatic_work(model: Sam2) -> Work:
    """Decode a grid of clicks."""
    predictor = ImagePredictor(model)
    features = predictor.encode(DiscClip(1)[0])
    batches = point_batches(model.config.image_size, model.device)

    @torch.no_grad()
    def run() -> None:
        for points in batches:
            predictor.decode(features, points, None, multimask=True)

    num_masks = POINTS_PER_SIDE**2 * model.config.decoder.num_multimasks
    return Work(name="automatic", run=run, num_items=num_masks, unit="masks")


def point_batches(image_size: int, device: torch.device | str) -> list[Points]:
    """Clicks on a grid over the whole picture, one a prompt, in batches."""
    places = (torch.arange(POINTS_PER_SIDE, device=device) + 0.5) / POINTS_PER_SIDE * image_size
    coords = torch.cartesian_prod(places, places)[:, None]
    labels = torch.ones(coords.shape[:2], dtype=torch.long, device=device)
    return [
        Points(coords[start : start + POINTS_PER_BATCH], labels[start : start + POINTS_PER_BATCH])
        for start in range(0, len(coords), POINTS_PER_BATCH)
    ]


def video_work(model: Sam2, num_objects: int) -> Work:
    """Follow objects to one frame with full memory: with each run to the next."""
    clip = DiscClip(ENDLESS, num_objects)
    session = VideoSession(model, clip)
    point_at(session, clip.centres(0))
    first = model.config.memory.max_pointers
    for known in session.tracker.objects.values():
        bank = known.bank
        for frame in range(1, first):
            bank.add(frame, bank.features[0], bank.pointers[0], conditioning=False)
    frames = count(first)

    def run() -> FrameMasks:
        return next(session.propagate(start=next(frames), max_frames=1))

    return Work(
        name="video",
        run=run,
        unit="frames",
        num_objects=num_objects,
        prepare=lambda: preprocess(clip[0], model.config.image_size, model.device, model.dtype),
    )


def clip_work(model: Sam2, num_objects: int, video: Path | None = None) -> Work:
    """Follow objects through a whole video, or a clip of discs.

    In a video the clicks stand side by side in the middle of the first frame, whatever is there. Errors as `open_video`
    has them.
    """
    discs = DiscClip(CLIP_FRAMES, num_objects)

    def opened() -> FrameSource:
        return discs if video is None else open_video(video)  # type: ignore[return-value]

    source = opened()
    num_frames, (height, width) = len(source), source.frame_size
    source.close()
    clicks = [(width * (n + 0.5) / num_objects, height / 2) for n in range(num_objects)]
    if video is None:
        clicks = discs.centres(0)

    def run() -> FrameMasks:
        with VideoSession(model, opened()) as session:
            point_at(session, clicks)
            *_, last = session.propagate()
        return last

    def prepare() -> None:
        frames = opened()
        for index in range(len(frames)):
            preprocess(frames[index], model.config.image_size, model.device, model.dtype)
        frames.close()

    return Work(name="clip", run=run, num_items=num_frames, unit="frames", num_objects=num_objects, prepare=prepare)


def point_at(session: VideoSession, clicks: list[tuple[float, float]] | list[tuple[int, int]]) -> None:
    """An object for each click on the first frame."""
    for object_id, click in enumerate(clicks, start=1):
        session.add_points(frame_index=0, object_id=object_id, points=[click], labels=[1])


IMAGE_WORKS: dict[str, Callable[[Sam2], Work]] = {
    "encode": encode_work,
    "predict": predict_work,
    "automatic": automatic_work,
}
