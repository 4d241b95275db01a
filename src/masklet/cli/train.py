"""`masklet train`: train a model, or fine-tune one, as a YAML file says.

The program reaches this file only when it is asked to train: what it needs comes with an extra, and takes a while to
import.
"""

import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.progress import TimeRemainingColumn

from masklet.cli.console import UsageError, complain, progress_bar, remark, say, show_rows
from masklet.io.files import write_atomically
from masklet.training.recipes.catalog import recipe_names, summary
from masklet.training.run_file import find_run, read_run
from masklet.training.settings import SettingsError

if TYPE_CHECKING:
    from masklet.training.assemble import PreparedRun

try:
    from masklet.training.assemble import prepare_run
except ModuleNotFoundError as error:
    if (error.name or "").startswith("masklet"):
        raise
    prepare_run = None  # recipes can be listed and copied all the same

PACKAGES = ("lightning_fabric", "pydantic", "tensorboard", "yaml")
"""What training needs beyond what masklet does."""

SHOWN = {
    "loss/total": "loss",
    "iou/first": "IoU",
    "iou/tracked": "tracked IoU",
    "validation/chosen_iou": "held-out IoU",
    "validation/tracked_iou": "held-out tracked IoU",
}
"""What the progress bar shows of the log, and what it calls that."""

_Flag = Annotated[bool, Parameter(negative="", show_default=False)]


def train(
    config: Annotated[str | None, Parameter(show_default=False)] = None,
    /,
    *settings: str,
    output: Path | None = None,
    check: _Flag = False,
    dry_run: _Flag = False,
    list_: Annotated[_Flag, Parameter(name="--list")] = False,
    copy: Path | None = None,
) -> int:
    """Train a model, or fine-tune one on your own pictures or videos.

    What its help says beside the parameters stands where it is registered, so that listing commands imports nothing.

    Parameters
    ----------
    config
        A YAML file, or the name of a recipe.
    settings
        NAME=VALUE, such as run.steps=500: settings that are other than in the file.
    output
        The folder of the run. If not given, as the file says, or else runs/NAME.
    check
        See whether one batch is learned by heart, as it should be; the weights are thrown away.
    dry_run
        Say what would be done, how long it takes and how much memory; nothing is trained.
    list_
        List the recipes.
    copy
        A file to write the recipe to, for you to edit; nothing is trained.
    """
    if list_:
        show_rows(("recipe", "what it does"), [(name, summary(name)) for name in recipe_names()])
        return 0
    if config is None:
        raise UsageError(f"name a YAML file or a recipe to train by; the recipes are {', '.join(recipe_names())}")
    if copy is not None:
        _copy(config, copy, settings)
        return 0
    if check and dry_run:
        raise UsageError("--check learns, and --dry-run does not: give one of them")
    run = _prepare(config, settings, output)
    if run.fabric.is_global_zero:
        show_rows(("", ""), run.describe())
    if check:
        report = run.check()
        say(report.text)
        return 0 if report.falls else 1
    if dry_run:
        say(run.estimate().text)
        return 0
    _train(run)
    return 0


def _copy(config: str, target: Path, settings: tuple[str, ...]) -> None:
    if settings:
        raise UsageError(f"--copy writes {config} as it is: change {settings[0]} in the copy")
    if target.exists():
        raise UsageError(f"--copy would write over {target}: name a new file")
    text = find_run(config).read_text(encoding="utf-8")
    with write_atomically(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
    say(f"{target}: edit it, then masklet train {target}")


def _prepare(config: str, settings: tuple[str, ...], output: Path | None) -> "PreparedRun":
    """The run that is asked for; what is wrong with its configuration is told line by line."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing or prepare_run is None:
        raise UsageError(
            f"training needs packages that are not here ({', '.join(missing)}): pip install 'masklet[train]'"
        )
    try:
        return prepare_run(read_run(config, settings, output=output))
    except SettingsError as error:
        for problem in error.problems:
            complain(problem)
        number = len(error.problems)
        raise UsageError(
            f"{config}: {number} setting{'s' * (number > 1)} to put right, in it or beside it as NAME=VALUE"
        ) from None


def _train(run: "PreparedRun") -> None:
    first = run.fabric.is_global_zero
    with progress_bar(TimeRemainingColumn(), disable=not first) as bar, warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: complain(message)
        task, last = bar.add_task("starting", total=None), {}

        def show(step: int, total: int, figures: Mapping[str, float]) -> None:
            nonlocal last
            shown = ", ".join(f"{name} {figures[key]:.3g}" for key, name in SHOWN.items() if key in figures)
            if bar.tasks[task].total is None:
                bar.reset(task, total=total, completed=step)  # what a resumed run did before took no time now
            bar.update(task, completed=step, description=shown or "training")
            if bar.disable and figures != last:
                last = dict(figures)
                remark(f"step {step} of {total}: {shown}")

        folder = run.train(show)
    if first:
        remark(f"done: the weights and all else are in {folder}")
