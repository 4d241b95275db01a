"""Follows objects through a video and a stream in the words of Hugging Face's `transformers`; writes into out/.

With `transformers` itself, the first import and "nano", the model that comes with masklet, would be others. Nothing
is downloaded.
"""

from pathlib import Path

import numpy as np
import torch

from masklet.compat.transformers import Sam2VideoModel, Sam2VideoProcessor, load_video
from masklet.io.files import write_image
from masklet.io.overlay import draw_overlay
from masklet.io.picture_grid import draw_grid

REPOSITORY = Path(__file__).resolve().parents[1]
CLIP = REPOSITORY / "examples" / "media" / "bunny.mp4"
OUTPUT = REPOSITORY / "out"
MODEL = "nano"

RABBIT, GRASS = [135, 150], [400, 240]
"""A pixel of the rabbit and one of the grass on the clip's first frame, as [x, y]."""

NUM_FRAMES = 32
"""Of the clip, those that are looked at."""


def follow(model: Sam2VideoModel, processor: Sam2VideoProcessor, frames: np.ndarray) -> dict[int, torch.Tensor]:
    """Two objects, by one click each on the first frame, and a correction later; masks (2, H, W) by frame."""
    session = processor.init_video_session(video=frames, inference_device=model.device)
    processor.add_inputs_to_inference_session(
        session, frame_idx=0, obj_ids=[1, 2], input_points=[[[RABBIT], [GRASS]]], input_labels=[[[1], [1]]]
    )
    processor.add_inputs_to_inference_session(
        session, frame_idx=16, obj_ids=1, input_points=[[[[175, 140]]]], input_labels=[[[1]]]
    )
    found = {}
    size = (session.video_height, session.video_width)
    for output in model.propagate_in_video_iterator(session):
        (masks,) = processor.post_process_masks([output.pred_masks.cpu()], original_sizes=[size])
        found[output.frame_idx] = masks[:, 0]
    print(f"{len(session.obj_ids)} objects followed through {len(found)} frames")
    return found


def stream(model: Sam2VideoModel, processor: Sam2VideoProcessor, frames: np.ndarray) -> int:
    """Frames one by one, as from a camera; how many have the rabbit. Of a stream, old frames are not kept."""
    session = processor.init_video_session(inference_device=model.device)
    seen = 0
    for index, frame in enumerate(frames):
        inputs = processor(images=frame, device=model.device, return_tensors="pt")
        if index == 0:
            processor.add_inputs_to_inference_session(
                session,
                frame_idx=0,
                obj_ids=1,
                input_points=[[[RABBIT]]],
                input_labels=[[[1]]],
                original_size=inputs.original_sizes[0],
            )
        output = model(inference_session=session, frame=inputs.pixel_values[0])
        (masks,) = processor.post_process_masks([output.pred_masks.cpu()], inputs.original_sizes)
        seen += bool(masks.any())
    print(f"a stream: the rabbit is on {seen} of {len(frames)} frames")
    return seen


def main() -> None:
    """Both."""
    OUTPUT.mkdir(exist_ok=True)
    model = Sam2VideoModel.from_pretrained(MODEL, device_map="auto")
    processor = Sam2VideoProcessor.from_pretrained(MODEL)
    frames, _ = load_video(str(CLIP))
    frames = frames[:NUM_FRAMES]
    found = follow(model, processor, frames)
    views = [draw_overlay(frames[index], dict(enumerate(found[index].numpy(), 1))) for index in range(0, NUM_FRAMES, 8)]
    write_image(OUTPUT / "transformers-video.jpg", draw_grid(views, columns=2))
    print("out/transformers-video.jpg: some frames side by side")
    stream(model, processor, frames[:10])


if __name__ == "__main__":
    main()
