"""`masklet evaluate image`: how good masks of pictures are, from a click, several, or a box."""

from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators
from rich.progress import TimeRemainingColumn

from masklet.cli.console import UsageError, complain, progress_bar, remark, show_rows
from masklet.cli.options import ModelOptions
from masklet.datasets.image_data import ImageDataKind, ImageDataset, open_image_dataset
from masklet.evaluation.image import ImageOptions, ImageScores, PromptKind, evaluate_images
from masklet.evaluation.image_report import image_page, summarise, write_results
from masklet.evaluation.model_choice import weights_hash
from masklet.evaluation.report import write_page
from masklet.evaluation.run_folder import RUN, run_facts
from masklet.predictors.image import ImagePredictor

_Share = Annotated[float | None, Parameter(validator=validators.Number(gte=0, lte=1))]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RegionOptions:
    """Which pictures and regions."""

    kind: ImageDataKind | None = None
    """What the data is. If not given, it is recognised."""

    pictures: Path | None = None
    """Folder of a COCO file's pictures, if they are not beside it."""

    min_area: _Share = None
    """Smallest region that counts, as a share of its picture. If not given, 0.01 for bsds, else 0."""

    max_area: _Share = None
    """Largest region that counts, as a share of its picture. If not given, 0.5 for bsds, else 1."""

    limit: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None
    """Take so many pictures, the first ones. If not given, all."""

    def open(self, path: Path) -> ImageDataset:
        """The data set with the areas and the number of pictures that are asked for."""
        dataset = open_image_dataset(path, self.kind, pictures=self.pictures)
        areas = tuple(
            known if given is None else given
            for given, known in zip((self.min_area, self.max_area), dataset.areas, strict=True)
        )
        return replace(dataset, images=dataset.images[: self.limit], areas=areas)


def image(
    dataset: Path,
    /,
    *,
    regions: RegionOptions = RegionOptions(),
    model: ModelOptions = ModelOptions(),  # noqa: B008
    prompts: Annotated[tuple[PromptKind, ...], Parameter(consume_multiple=True, negative="")] = ImageOptions().prompts,
    output: Path = Path("out"),
) -> int:
    """Measure how good masks of annotated regions of pictures are: mean IoU.

    A click falls on a region's middle, further ones on the middle of what is wrong. Writes results.json, results.csv
    with a row a region, and report.html with the worst answers.

    For example:

        masklet evaluate image photos/ --model nano --output out
        masklet evaluate image instances_val2017.json --pictures val2017 --prompts 1-click box --limit 500

    Parameters
    ----------
    dataset
        A COCO file, or a folder: of COCO; of pictures with .npz (BSDS) or .json (SA-1B) beside them; or with images/
        and masks/.
    prompts
        What is given of a region: 1-click, 3-clicks, 5-clicks, box.
    output
        Folder for what is written; made if it is not there.
    """
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output {output} is a file: name a folder")
    if (output / RUN).exists():
        raise UsageError(f"--output {output} has results of an evaluation on videos: name another folder")
    data = regions.open(dataset)
    if data.areas[0] > data.areas[1]:
        raise UsageError(f"--min-area {data.areas[0]:g} is larger than --max-area {data.areas[1]:g}")
    options = ImageOptions(prompts=prompts, areas=data.areas)
    predictor = ImagePredictor(model.load())
    scores = ImageScores(measures=options.measures)
    with progress_bar(TimeRemainingColumn()) as progress:
        task = progress.add_task("", total=len(data.images))
        for done in evaluate_images(predictor, data.images, options, scores):
            progress.update(task, description=done.name, advance=1)
    for failure in scores.failures:
        complain(failure)
    notes = describe(data, scores)
    if not scores.regions:
        raise ValueError(f"{dataset} has no regions to measure: {'; '.join(notes)}")
    facts = {
        "masklet": version("masklet"),
        "dataset": data.name,
        "model": model.model,
        "weights": weights_hash(predictor.model),
        "image_size": predictor.model.config.image_size,
    }
    output.mkdir(parents=True, exist_ok=True)
    write_results(output, scores, {**facts, "areas": data.areas, "notes": notes})
    page = image_page(scores, title=f"Masks of {data.name}", facts=run_facts(facts), notes=notes)
    write_page(output / "report.html", page)
    _show(scores, notes)
    return 1 if scores.failures else 0


def describe(data: ImageDataset, scores: ImageScores) -> list[str]:
    """What was measured and what was not, a line each."""
    num_failed = len(scores.failures)
    notes = [f"{len(scores.regions)} regions of {len(data.images) - num_failed} pictures", *data.notes]
    notes += [f"{number} regions were left out: {reason}" for reason, number in sorted(scores.left_out.items())]
    if num_failed:
        notes.append(f"{num_failed} of {len(data.images)} pictures failed: the means are without them")
    return notes


def _show(scores: ImageScores, notes: list[str]) -> None:
    """The means on stdout, and what they are of on stderr."""
    show_rows(
        ("measure", "mean IoU", "± (95%)"),
        [(measure, f"{mean:.3f}", f"{margin:.3f}") for measure, mean, margin in summarise(scores)],
    )
    for note in notes:
        remark(note)
