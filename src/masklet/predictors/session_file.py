"""Video sessions on disk: one safetensors file, whose header holds the rest as JSON. Reading one executes nothing.

It holds all that tracking goes on from: prompts, memories, results. It holds neither the video nor the model.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from masklet.io.files import write_atomically
from masklet.model import Sam2
from masklet.ops.multimask import StabilityPolicy
from masklet.predictors.session_options import SessionOptions
from masklet.tracking.policy import TrackingPolicy
from masklet.tracking.tracked_object import FramePrompt, FrameResult, TrackedObject
from masklet.tracking.tracker import Tracker
from masklet.types import Points

FORMAT = "masklet-video-session-1"
NEWEST = "newest_frame"


@dataclass(frozen=True)
class SessionState:
    """A session without its video and its model.

    video: path of the video, if it has one. frame_size: (height, width) in pixels. num_streamed: frames of a stream
    that were seen, the last being `newest` (H, W, 3).
    """

    tracker: Tracker[int]
    video: str | None
    frame_size: tuple[int, int] | None
    num_streamed: int
    newest: np.ndarray | None
    options: SessionOptions


def write_session(path: str | Path, state: SessionState) -> None:
    """Write a session, whole or not at all."""
    tracker = state.tracker
    tensors: dict[str, Tensor] = {}
    header = {
        "model": tracker.model.config.to_dict(),
        "weights": fingerprint(tracker.model),
        "policy": asdict(tracker.policy),
        "options": asdict(_portable(state.options)),
        "video": state.video,
        "num_frames": tracker.num_frames,
        "frame_size": state.frame_size,
        "num_streamed": state.num_streamed,
        "objects": [
            {"id": id_, **_describe(known, f"{row}.", tensors)}
            for row, (id_, known) in enumerate(tracker.objects.items())
        ],
    }
    if state.newest is not None:
        tensors[NEWEST] = torch.from_numpy(state.newest.copy())
    with write_atomically(path) as temporary:
        save_file(tensors, temporary, metadata={"format": FORMAT, "session": json.dumps(header)})


def read_session(path: str | Path, model: Sam2, options: SessionOptions | None = None) -> SessionState:
    """Read a session that was saved with this model. options: instead of those that it was saved with.

    FileNotFoundError. ValueError: damaged, something else, or saved with another model.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError(f"{path} does not hold a video session of masklet: save one with VideoSession.save")
            header = json.loads(metadata["session"])
            _check_model(path, header, model)
            saved_options = SessionOptions(**header["options"])  # TypeError for one that there is not
            options = options or saved_options
            policy = header["policy"]
            stability = policy.pop("stability")
            policy = TrackingPolicy(stability=None if stability is None else StabilityPolicy(**stability), **policy)
            tracker: Tracker[int] = Tracker(model, policy, header["num_frames"], options.keeper())
            for row, entry in enumerate(header["objects"]):
                tracker.objects[entry["id"]] = _restore(tracker, entry, f"{row}.", file.get_tensor)
            newest = file.get_tensor(NEWEST).numpy() if header["num_streamed"] else None
            size = header["frame_size"]
            return SessionState(
                tracker=tracker,
                video=header["video"],
                frame_size=None if size is None else (size[0], size[1]),
                num_streamed=header["num_streamed"],
                newest=newest,
                options=options,
            )
    except (SafetensorError, LookupError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is damaged, or no session's file: {error}") from error


def fingerprint(model: Sam2) -> str:
    """A short hash of a model's dtype and of some weights, by which others are told apart."""
    digest = hashlib.sha256(str(model.dtype).encode())
    for weights in (model.no_memory, model.no_object_pointer, model.mask_decoder.mask_tokens):
        digest.update(weights.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _portable(options: SessionOptions) -> SessionOptions:
    """Options for any machine: what was put in a folder on this one, the CPU's memory holds on others."""
    return replace(options, state="cpu") if isinstance(options.state, Path) else options


def _check_model(path: str | Path, header: dict[str, Any], model: Sam2) -> None:
    config = json.loads(json.dumps(model.config.to_dict()))
    if differing := [name for name, value in header["model"].items() if config.get(name) != value]:
        raise ValueError(
            f"{path} was saved with another model: its {differing[0]} is {header['model'][differing[0]]}, "
            f"not {config.get(differing[0])}"
        )
    if header["weights"] != fingerprint(model):
        raise ValueError(f"{path} was saved with other weights, or another dtype, than this model's")


def _describe(known: TrackedObject, prefix: str, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """An object's entry in the header; its tensors go into `tensors`."""
    for frame, features in known.bank.features.items():
        tensors[f"{prefix}features.{frame}"] = features.load().cpu().contiguous()
    for frame, pointer in known.bank.pointers.items():
        tensors[f"{prefix}pointer.{frame}"] = pointer.cpu().contiguous()
    for frame, result in known.results.items():
        tensors[f"{prefix}logits.{frame}"] = result.logits.load().cpu().contiguous()
    for frame, prompt in known.prompts.items():
        if prompt.mask is not None:
            tensors[f"{prefix}mask.{frame}"] = prompt.mask.cpu().contiguous()
    return {
        "features": list(known.bank.features),
        "pointers": list(known.bank.pointers),
        "conditioning": sorted(known.bank.conditioning),
        "results": [[frame, r.iou_score, r.object_score] for frame, r in known.results.items()],
        "prompts": [
            {"frame": frame, "box": _plain(p.box), "clicks": _plain(p.clicks), "mask": p.mask is not None}
            for frame, p in known.prompts.items()
        ],
        "reverse": list(known.reverse.items()),
        "settled": list(known.settled.items()),
    }


def _restore(
    tracker: Tracker[int], entry: dict[str, Any], prefix: str, get_tensor: Callable[[str], Tensor]
) -> TrackedObject:
    known, device = tracker.new_object(), tracker.model.device
    for frame in entry["features"]:
        known.bank.features[frame] = tracker.keep(get_tensor(f"{prefix}features.{frame}").to(device))
    for frame in entry["pointers"]:
        known.bank.pointers[frame] = get_tensor(f"{prefix}pointer.{frame}").to(device)
    known.bank.conditioning.update(entry["conditioning"])
    for frame, *scores in entry["results"]:
        logits = tracker.keep(get_tensor(f"{prefix}logits.{frame}").to(device))
        known.results[frame] = FrameResult(logits, *scores)
    for said in entry["prompts"]:
        mask = get_tensor(f"{prefix}mask.{said['frame']}") if said["mask"] else None
        known.prompts[said["frame"]] = FramePrompt(_points(said["box"]), _points(said["clicks"]), mask)
    known.reverse.update(entry["reverse"])
    known.settled.update(entry["settled"])
    return known


def _plain(points: Points | None) -> list[Any] | None:
    """Points as lists; a float32 comes back from JSON as it was."""
    return None if points is None else [points.coords.tolist(), points.labels.tolist()]


def _points(plain: list[Any] | None) -> Points | None:
    if plain is None:
        return None
    return Points(torch.tensor(plain[0], dtype=torch.float32), torch.tensor(plain[1], dtype=torch.int64))
