"""`masklet segment`: masks of what is pointed at in pictures, as files.

For a picture `cup.jpg` it writes `cup.mask1.png` and so on (255 inside, 0 outside), `cup.coco.json` (COCO, masks as
RLE) and `cup.overlay.jpg`. Masks are numbered object by object, an object's best candidate first.
"""

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter, validators
from rich.progress import TimeRemainingColumn

from masklet.cli.console import UsageError, complain, progress_bar, say, show_rows
from masklet.cli.draw_options import DrawOptions
from masklet.cli.inputs import collect_images, output_stems, with_name
from masklet.cli.options import ModelOptions, PromptOptions
from masklet.io.files import read_mask_png, write_image, write_json, write_mask_png
from masklet.io.formats.coco import Record, coco_annotation, coco_categories, coco_image
from masklet.io.formats.picture import ObjectMask
from masklet.io.images import read_image
from masklet.io.overlay import draw_overlay
from masklet.predictors.image import ImagePredictor
from masklet.types import Prompt

MAX_ROWS = 60
"""More masks than this are counted, not listed."""

_Area = Annotated[float, Parameter(validator=validators.Number(gte=0))]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class MaskOptions:
    """How many masks, and how clean."""

    multimask: Annotated[bool | None, Parameter(negative="--single")] = None
    """Three candidates, or a single mask. If not given: three for one point alone, which may mean a part; else one."""

    hole_area: _Area | None = None
    """Fill holes of at most this many low-res pixels (each is 4 x 4 pixels of what the model sees). If not given: what
    suits the model, which is 0, and 0.3% of all for nano."""

    sprinkle_area: _Area | None = None
    """Remove specks of at most this many low-res pixels. If not given: what suits the model, as above."""


@dataclass(frozen=True)
class FoundMasks:
    """One picture's masks (M, H, W), their scores, and the index of each object's best."""

    masks: np.ndarray
    scores: np.ndarray
    best: list[int]


@dataclass
class Report:
    """What a run has done so far: rows of the table, COCO records, and the pictures that failed, with the reason."""

    rows: list[tuple[str, ...]] = field(default_factory=list)
    images: list[Record] = field(default_factory=list)
    annotations: list[Record] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def segment(
    images: Annotated[list[Path], Parameter(negative="")],
    /,
    *,
    prompts: PromptOptions = PromptOptions(),  # noqa: B008 (frozen; cyclopts wants an instance)
    model: ModelOptions = ModelOptions(),  # noqa: B008
    masks: MaskOptions = MaskOptions(),
    drawing: DrawOptions = DrawOptions(),  # noqa: B008
    output: Path = Path("out"),
) -> int:
    """Segment pictures: masks of what points, boxes or a mask point at.

    Writes, for a picture cup.jpg: cup.mask1.png and so on, cup.coco.json (COCO with RLE) and cup.overlay.jpg, and for
    several pictures also coco.json with the masks of all. The same prompts apply to every picture. All points, with at
    most one box and a mask, are one prompt; several boxes are several objects.

    For example:

        masklet segment cup.jpg --point 290,160 --point 120,300,0 --output out
        masklet segment photos/ --box 40,30,400,300 --box 410,30,600,300 --model sam2.1_hiera_tiny

    Parameters
    ----------
    images
        Pictures, or folders of pictures.
    output
        Folder for what is written; made if it is not there.
    """
    check_prompts(prompts)
    paths, failures = collect_images(images, output)
    predictor = ImagePredictor(model.load(), max_hole_area=masks.hole_area, max_sprinkle_area=masks.sprinkle_area)
    prompt = to_prompt(prompts)
    multimask = is_ambiguous(prompts) if masks.multimask is None else masks.multimask
    output.mkdir(parents=True, exist_ok=True)
    report = Report(failures=failures)
    with progress_bar(TimeRemainingColumn(), disable=len(paths) < 2) as progress:
        task = progress.add_task("", total=len(paths))
        for path, stem in zip(paths, output_stems(paths), strict=True):
            progress.update(task, description=path.name)
            try:
                image = read_image(path)
                found = find_masks(predictor, image, prompt, multimask)
                draw_outputs(output / stem, image, found, prompt, drawing)
                write_outputs(output / stem, path, found, report)
            except (OSError, ValueError, MemoryError, RuntimeError) as error:  # also too little memory for one picture
                report.failures.append(with_name(path, error))
            progress.advance(task)
    if len(paths) > 1 and report.images:
        write_json(output / "coco.json", _coco(report.images, report.annotations))
    return _conclude(report, len(paths), output)


def check_prompts(prompts: PromptOptions) -> None:
    """UsageError for no prompt, or one that could be read in two ways."""
    if not (prompts.point or prompts.box or prompts.mask):
        raise UsageError("say what to segment: --point X,Y or --box X0,Y0,X1,Y1 or --mask M.png")
    if len(prompts.box) > 1 and (prompts.point or prompts.mask):
        other = "--point" if prompts.point else "--mask"
        raise UsageError(f"several --box are several objects, and it is not clear whose the {other} is: give one --box")


def is_ambiguous(prompts: PromptOptions) -> bool:
    """Whether the prompt is one point and nothing else, which may mean a part or the whole."""
    return len(prompts.point) == 1 and not prompts.box and not prompts.mask


def to_prompt(prompts: PromptOptions) -> Prompt:
    """The prompt as the predictor takes it; reads the mask's file."""
    boxes = np.array(prompts.box)
    return Prompt(
        points=prompts.points,
        labels=prompts.labels,
        boxes=None if boxes.size == 0 else boxes[0] if len(boxes) == 1 else boxes,
        mask=None if prompts.mask is None else read_mask_png(prompts.mask),
    )


def find_masks(predictor: ImagePredictor, image: np.ndarray, prompt: Prompt, multimask: bool) -> FoundMasks:
    """Masks of one picture, object by object, candidates in the order of their scores."""
    features = predictor.encode(image)
    found = predictor.predict_batch(features, [prompt], multimask=multimask)[0]
    scores = found.scores.reshape(-1, found.scores.shape[-1])
    masks = found.masks.reshape(*scores.shape, *image.shape[:2])
    order = np.argsort(-scores, axis=1, kind="stable")
    rows = np.arange(len(scores))[:, None]
    best = [row * scores.shape[1] for row in range(len(scores))]
    return FoundMasks(masks[rows, order].reshape(-1, *image.shape[:2]), scores[rows, order].reshape(-1), best)


def draw_outputs(target: Path, image: np.ndarray, found: FoundMasks, prompt: Prompt, drawing: DrawOptions) -> None:
    """Overlay of one picture, with each object's best mask in the colour of its number. That of an earlier run goes."""
    path = target.with_name(f"{target.name}.overlay.jpg")
    if drawing.no_overlay:
        path.unlink(missing_ok=True)
        return
    masks = {number: found.masks[index] for number, index in enumerate(found.best, start=1)}
    captions = [f"{found.scores[index]:.2f}" for index in found.best]
    write_image(path, draw_overlay(image, masks, prompt=prompt, captions=captions, style=drawing.style()))


def write_outputs(target: Path, path: Path, found: FoundMasks, report: Report) -> None:
    """Masks and COCO file of one picture, and its rows of the report.

    Masks that an earlier run with more of them has left are removed: they are not of this COCO file.
    """
    rows = []
    for index, (mask, score) in enumerate(zip(found.masks, found.scores, strict=True)):
        file = target.with_name(f"{target.name}.mask{index + 1}.png")
        write_mask_png(file, mask)
        rows.append((str(path), f"{score:.3f}", f"{mask.mean():.1%}", str(file)))
    for number in count(len(rows) + 1):
        stale = target.with_name(f"{target.name}.mask{number}.png")
        if not stale.exists():
            break
        stale.unlink()
    objects = [
        ObjectMask.of_mask(mask, number, score=float(score))
        for number, (mask, score) in enumerate(zip(found.masks, found.scores, strict=True), start=1)
    ]
    image = coco_image(path.as_posix(), found.masks.shape[1:], 1 + len(report.images))
    first_id = 1 + len(report.annotations)
    annotations = [
        coco_annotation(one, id_, image["id"]) for id_, one in enumerate(filter(_has_pixels, objects), start=first_id)
    ]
    write_json(target.with_name(f"{target.name}.coco.json"), _coco([image], annotations))
    report.rows += rows
    report.images.append(image)
    report.annotations += annotations


def _has_pixels(found: ObjectMask) -> bool:
    return found.area > 0


def _coco(images: list[Record], annotations: list[Record]) -> dict[str, list[Record]]:
    return {"images": images, "annotations": annotations, "categories": coco_categories()}


def _conclude(report: Report, num_images: int, output: Path) -> int:
    """Print what was written and what failed; the exit code."""
    if report.rows:
        show_rows(("picture", "score", "area", "mask"), report.rows[:MAX_ROWS])
    if len(report.rows) > MAX_ROWS:
        say(f"and {len(report.rows) - MAX_ROWS} masks more in {output}")
    for failure in report.failures:
        complain(failure)
    if report.failures and num_images > 1:
        complain(f"{len(report.failures)} failed, {len(report.images)} of {num_images} pictures are done")
    return 1 if report.failures else 0
