"""Time of one video frame with full memory for 1, 4 and 16 objects, beside the peers that are importable.

    python benchmarks/bench_video.py [--model sam2.1_hiera_tiny] [--image-size N] [--objects 1 4 16] [--device cpu]

A frame is encoded and each object found on it from seven maps and sixteen pointers, its memory being made too. All get
the same random weights, in float32, and take turns; medians, and ratios to ours. Memories are filled by repeating those
of the first frame. Peers: PyPI `transformers` and `sam2` (which needs torchvision, hydra and a compiler to install).
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from bench_image import SHORT, interleave, processor
from PIL import Image

import masklet
from masklet.checkpoint.save import save_model
from masklet.config import preset
from masklet.io.images import preprocess
from masklet.model import Sam2

SIZE = 360, 640
CLICK = 320, 180
FRAME = 16
"""The frame that is timed: those before it fill the memory."""

Work = Callable[[], object]


def clip() -> np.ndarray:
    """Frames (T, H, W, 3) of noise."""
    return np.random.default_rng(0).integers(0, 255, (FRAME + 2, *SIZE, 3), np.uint8)


def ours(model: Sam2, video: np.ndarray, num_objects: int) -> Work:
    """One frame by a `VideoSession`, all objects as one batch."""
    session = masklet.VideoSession(model, video)
    for id_ in range(num_objects):
        session.add_points(0, id_, [CLICK], [1])
        bank = session.tracker.objects[id_].bank
        for frame in range(1, FRAME):
            bank.add(frame, bank.features[0], bank.pointers[0], conditioning=False)

    def work() -> object:
        session._features.clear()
        for known in session.tracker.objects.values():
            known.settled.clear()
        return next(session.propagate(start=FRAME, max_frames=1))

    return work


def transformers_work(folder: Path, video: np.ndarray, num_objects: int, side: int, device: str) -> Work:
    """One frame by `transformers.Sam2VideoModel`."""
    from transformers import Sam2VideoModel
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    model = Sam2VideoModel.from_pretrained(folder).eval().to(device)
    pixels = torch.stack([preprocess(frame, side) for frame in video])
    session = Sam2VideoInferenceSession(pixels, *SIZE, device, device, device, torch.float32)
    click = torch.tensor([[[[CLICK[0] / SIZE[1] * side, CLICK[1] / SIZE[0] * side]]]])
    inputs = {"point_coords": click, "point_labels": torch.ones(1, 1, 1, dtype=torch.int32)}
    for id_ in range(num_objects):
        session.add_point_inputs(session.obj_id_to_idx(id_), 0, inputs)
    session.obj_with_new_inputs = list(range(num_objects))
    model(inference_session=session, frame_idx=0)
    for outputs in session.output_dict_per_obj.values():
        for frame in range(1, FRAME):
            outputs["non_cond_frame_outputs"][frame] = outputs["cond_frame_outputs"][0]

    def work() -> object:
        session.cache.clear_all()
        return model(inference_session=session, frame_idx=FRAME)

    return work


def sam2_work(checkpoint: Path, video: np.ndarray, num_objects: int, name: str, side: int, device: str) -> Work:
    """One frame by PyPI `sam2`."""
    from sam2.build_sam import build_sam2_video_predictor

    family, _, size = name.partition("_hiera_")
    config = f"configs/{family}/{family}_hiera_{SHORT[size]}.yaml"
    over = [f"++model.image_size={side}"]
    predictor = build_sam2_video_predictor(config, str(checkpoint), device=device, hydra_overrides_extra=over)
    predictor.fill_hole_area = 0  # it cannot fill holes without its CUDA extension, and warns
    with tempfile.TemporaryDirectory() as folder:
        for index, frame in enumerate(video):
            Image.fromarray(frame).save(Path(folder) / f"{index:05d}.jpg")
        state = predictor.init_state(folder)
    for id_ in range(num_objects):
        predictor.add_new_points_or_box(state, 0, id_, points=np.float32([CLICK]), labels=np.int32([1]))
    predictor.propagate_in_video_preflight(state)
    for outputs in state["output_dict_per_obj"].values():
        for frame in range(1, FRAME):
            outputs["non_cond_frame_outputs"][frame] = outputs["cond_frame_outputs"][0]

    def work() -> object:
        state["cached_features"].clear()
        return list(predictor.propagate_in_video(state, start_frame_idx=FRAME, max_frame_num_to_track=0))

    return work


def contenders(arguments: argparse.Namespace, folder: Path) -> Callable[[int], dict[str, Work]]:
    """Everyone's work for a number of objects, with the same weights."""
    torch.manual_seed(0)
    model = Sam2(preset(arguments.model).with_image_size(arguments.image_size)).eval()
    side, device, video = model.config.image_size, arguments.device, clip()
    is_published = arguments.model != "nano"
    if is_published:
        save_model(model, folder / "official.pt", "official")
        save_model(model, folder / "hf", "hf-video")
    model.to(device)

    def works(num_objects: int) -> dict[str, Work]:
        found = {"masklet": ours(model, video, num_objects)}
        peers: dict[str, Callable[[], Work]] = {
            "transformers": lambda: transformers_work(folder / "hf", video, num_objects, side, device),
            "sam2": lambda: sam2_work(folder / "official.pt", video, num_objects, arguments.model, side, device),
        }
        for name, peer in peers.items() if is_published else ():
            try:
                found[name] = peer()
            except ImportError as error:
                print(f"{name} is left out: {error}")
        return found

    return works


@torch.no_grad()
def main() -> None:
    """Measure and print; as JSON too, on request."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="sam2.1_hiera_tiny")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()

    report: dict[str, dict[str, float]] = {}
    print(f"{processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {arguments.model}")
    with tempfile.TemporaryDirectory() as folder:
        works = contenders(arguments, Path(folder))
        for num_objects in arguments.objects:
            seconds = interleave(works(num_objects), arguments.repeats)
            report[str(num_objects)] = seconds
            for name, value in seconds.items():
                ratio = value / seconds["masklet"]
                print(
                    f"{num_objects:3} objects  {name:13} {value * 1000:9.1f} ms a frame   {ratio:5.2f} x ours",
                    flush=True,
                )
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
