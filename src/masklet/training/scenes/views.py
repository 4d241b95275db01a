"""Views of photographs: crops squashed to a square, as the model sees pictures, with their regions.

Several processes find regions, and what is done is written every few photographs, also when preparation is stopped.
"""

import functools
import multiprocessing
import signal
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import UInt8
from rich.console import Console
from rich.progress import track

from masklet.io.images import read_image
from masklet.training.scenes.opinions import ModelOpinion
from masklet.training.scenes.parts import read_sources, write_part
from masklet.training.scenes.pictures import VIEW_ARRAYS
from masklet.training.scenes.regions import find_regions

VIEW_SIZE = 320
"""Side of a view in pixels."""

MAX_REGIONS = 24
MAX_SUPERPIXELS = 1024
"""What a view keeps at most; one with more superpixels is a backdrop alone."""

PHOTO_SIDE = 1200
"""Longest side in pixels that photographs are shrunk to."""

MIN_CROP = 180
"""Pixels of a photograph that a view shows at least; fewer look washed out."""

SMALL_PHOTO = 270
"""Photographs whose shorter side has fewer pixels have one view, the whole of them: crops would all be alike."""

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
"""Extensions of photographs."""

PART_VIEWS = 128
"""Views that are written together; they take some 70 MB."""


@dataclass(frozen=True)
class Photograph:
    """A file to make views of: the first is the whole of it, the others are crops. A backdrop has no regions.

    model: weights of a model that is asked what belongs together; None: pixels alone tell.
    """

    path: Path
    num_views: int
    with_regions: bool = True
    model: str | None = None

    @property
    def name(self) -> str:
        """By which it is known as done."""
        return str(self.path.resolve())


def find_photographs(folder: Path, num_views: int) -> list[Photograph]:
    """All pictures in a folder and those below. FileNotFoundError; ValueError if there is none."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder} of photographs")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
    if not paths:
        raise ValueError(f"{folder} holds no photographs: files that end in {', '.join(PICTURES)} were expected")
    return [Photograph(path, num_views) for path in paths]


def prepare_views(photographs: Sequence[Photograph], root: Path, num_processes: int) -> dict[str, int]:
    """Write views of all photographs that have none yet; returns how many views were made and files were unreadable.

    Unreadable files are named, and passed over. With several processes, the caller's module must be importable.
    """
    done = read_sources(root, "views")
    waiting = [photograph for photograph in photographs if photograph.name not in done]
    views: list[tuple[np.ndarray, ...]] = []
    names: list[str] = []
    num_views = num_broken = 0
    console = Console(stderr=True)

    def write() -> None:
        if views:
            arrays = {
                f"views_{name}": np.stack(array)
                for name, array in zip(VIEW_ARRAYS, zip(*views, strict=True), strict=True)
            }
            write_part(root, "views", arrays, names)
        views.clear()
        names.clear()

    with _mapped(waiting, num_processes) as results:
        try:
            steps = track(results, "views", total=len(waiting), console=console)
            for photograph, made in zip(waiting, steps, strict=True):
                if isinstance(made, str):
                    console.print(f"passed over: {made}", style="yellow", markup=False, highlight=False)
                    num_broken += 1
                    continue
                views += made
                names.append(photograph.name)
                num_views += len(made)
                if len(views) >= PART_VIEWS:
                    write()
        finally:  # what was done so far is kept, whatever stops the rest
            write()
    return {"views": num_views, "unreadable": num_broken}


@contextmanager
def _mapped(photographs: Sequence[Photograph], num_processes: int) -> Iterator[Iterable[list | str]]:
    """The views of each photograph, or what is wrong with it, in order."""
    if num_processes < 1:
        raise ValueError(f"the number of processes must be positive, got {num_processes}")
    if num_processes == 1:
        yield map(make_views, photographs)
        return
    with multiprocessing.get_context("spawn").Pool(num_processes, _leave_interrupts) as pool:
        yield pool.imap(make_views, photographs)


def _leave_interrupts() -> None:
    """Ctrl-C is for the process that writes; it ends the others. And processes are the parallelism."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def make_views(photograph: Photograph) -> list[tuple[np.ndarray, ...]] | str:
    """Views of a photograph, arrays in the order of `VIEW_ARRAYS`; what is wrong if it cannot be read."""
    try:
        rgb = read_image(photograph.path)
    except (OSError, ValueError) as error:
        return str(error)
    scale = PHOTO_SIDE / max(rgb.shape[:2])
    if scale < 1.0:
        rgb = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    rng = np.random.default_rng(zlib.crc32(photograph.path.name.encode()))
    count = photograph.num_views if min(rgb.shape[:2]) >= SMALL_PHOTO else 1
    return [_with_regions(random_view(rgb, rng, whole=number == 0), photograph) for number in range(count)]


def random_view(rgb: UInt8[np.ndarray, "H W 3"], rng: np.random.Generator, whole: bool) -> UInt8[np.ndarray, "S S 3"]:
    """A crop of a photograph, the whole of it if `whole`, squashed to VIEW_SIZE."""
    height, width = rgb.shape[:2]
    if not whole:
        aspect = float(np.exp(rng.uniform(-0.3, 0.3)))
        scale = max(float(rng.uniform(0.35, 1.0)), min(1.0, MIN_CROP / min(height, width)))
        crop_h, crop_w = (max(8, int(n * min(1.0, scale * f))) for n, f in ((height, 1 / aspect), (width, aspect)))
        top, left = int(rng.integers(height - crop_h + 1)), int(rng.integers(width - crop_w + 1))
        rgb = rgb[top : top + crop_h, left : left + crop_w]
    shrinks = min(rgb.shape[:2]) >= VIEW_SIZE
    return cv2.resize(rgb, (VIEW_SIZE, VIEW_SIZE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def _with_regions(rgb: np.ndarray, photograph: Photograph) -> tuple[np.ndarray, ...]:
    labels = np.zeros((VIEW_SIZE, VIEW_SIZE), np.uint16)
    members = np.zeros((MAX_REGIONS, MAX_SUPERPIXELS), bool)
    scores = np.zeros(MAX_REGIONS, np.float32)
    if photograph.with_regions:
        found = find_regions(rgb, MAX_REGIONS, _opinion_of(photograph.model) if photograph.model else None)
        if found.members.shape[1] <= MAX_SUPERPIXELS:
            labels = found.labels
            members[: len(found.members), : found.members.shape[1]] = found.members
            scores[: len(found.scores)] = found.scores
    return rgb, labels, members, scores


@functools.cache
def _opinion_of(model: str) -> ModelOpinion:
    """Loaded once a process."""
    return ModelOpinion(model)
