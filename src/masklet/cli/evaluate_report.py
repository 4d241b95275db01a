"""`masklet evaluate report`: the page of one run over videos, made anew, or of several side by side."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from masklet.cli.console import UsageError, complain, say, show_rows
from masklet.cli.evaluate_options import SequenceOptions
from masklet.datasets.sequences import VideoDataset
from masklet.evaluation.report import write_page
from masklet.evaluation.results import read_scores_json
from masklet.evaluation.run_folder import run_facts
from masklet.evaluation.vos_comparison import comparison_page
from masklet.evaluation.vos_report import vos_page
from masklet.evaluation.vos_run import VosFolder


def report(
    runs: Annotated[list[Path], Parameter(negative="")],
    /,
    *,
    dataset: Path | None = None,
    kind: str | None = None,
    split: str | None = None,
    output: Path = Path("report.html"),
) -> int:
    """Make a report of a run of `masklet evaluate vos`, or one that compares several on the same videos.

    The page is one file that opens in any browser. Pictures of masks need the data set that the runs were on.

    For example:

        masklet evaluate report out/nano --dataset DAVIS
        masklet evaluate report out/nano out/static out/flow --dataset DAVIS --output comparison.html

    Parameters
    ----------
    runs
        Folders of results.
    dataset
        Folder of the data set. If not given, the page has no pictures.
    kind
        What the data is. If not given, it is recognised.
    split
        As the data set calls it. If not given, the one that results are mostly published on.
    output
        File to write.
    """
    if dataset is None and (kind or split):
        raise UsageError("--kind and --split say what --dataset is: give it too, or none of them")
    folders = name_runs(runs)
    facts = {name: read_facts(folder) for name, folder in folders.items()}
    data_name = common_data(facts)
    scores = {name: read_scores_json(folder.scores) for name, folder in folders.items()}
    data, roots = VideoDataset(name=data_name, sequences=(), has_truth=True), None
    if dataset is not None:
        data = SequenceOptions(kind=kind, split=split).open(dataset)
        roots = {name: folder.masks for name, folder in folders.items()}
    if len(folders) == 1:
        (name,) = folders
        page = vos_page(data, scores[name], None if roots is None else roots[name], facts=facts[name])
    else:
        page = comparison_page(data, scores, roots, facts=join_facts(facts))
    write_page(output, page)
    means = [(name, *(f"{x:.1f}" for x in (run.mean_jf, run.mean_j, run.mean_f))) for name, run in scores.items()]
    show_rows(("run", "J&F", "J", "F"), means)
    if len({frozenset((sequence, one.object_id) for sequence, one in run.objects) for run in scores.values()}) > 1:
        complain("the runs have scores of different objects, so the means are not comparable")
    say(f"{output} is written")
    return 0


def name_runs(runs: list[Path]) -> dict[str, VosFolder]:
    """Runs by the names of their folders, or by their paths where folders share a name."""
    names = [path.resolve().name for path in runs]
    return {
        name if names.count(name) == 1 else str(path): VosFolder(path) for name, path in zip(names, runs, strict=True)
    }


def read_facts(folder: VosFolder) -> dict[str, str]:
    """What a run came of. FileNotFoundError for a folder without a run."""
    if not folder.run.is_file():
        raise FileNotFoundError(f"{folder.path} holds no run: there is no {folder.run}")
    return run_facts(folder.describe())


def common_data(facts: Mapping[str, dict[str, str]]) -> str:
    """Take the data set's name out of the facts of each run. UsageError where they differ."""
    names = {run: known.pop("dataset", "unknown data") for run, known in facts.items()}
    if len(set(names.values())) > 1:
        told = ", ".join(f"{run} is on {data}" for run, data in names.items())
        raise UsageError(f"runs on different data cannot be compared: {told}")
    return next(iter(names.values()))


def join_facts(facts: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The facts of several runs: once where all have the same, else that of each run which has one."""
    joined = {}
    for name in dict.fromkeys(name for known in facts.values() for name in known):
        values = {run: known[name] for run, known in facts.items() if name in known}
        same = len(values) == len(facts) and len(set(values.values())) == 1
        joined[name] = values[next(iter(values))] if same else "; ".join(f"{run}: {v}" for run, v in values.items())
    return joined
