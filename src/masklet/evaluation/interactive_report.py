"""What an interactive evaluation came to: J&F by the number of clicked frames, as numbers, files and a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from masklet.evaluation.interactive import InteractiveScores
from masklet.evaluation.page import Chart, Curve, Headline, Page, Section, Table
from masklet.io.files import write_csv, write_json

COLUMNS = ("sequence", "object", "frames", "clicks", "J&F", "J", "F")
"""Of results.csv: `frames` is how many frames may have clicks at most, `clicks` how many were made by then."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """Means over all objects when at most `num_frames` frames of each have clicks. J and F are in [0, 100]."""

    num_frames: int
    num_clicks: float
    j: float
    f: float

    @property
    def jf(self) -> float:
        """J&F, in [0, 100]."""
        return (self.j + self.f) / 2


def summarise(scores: Sequence[InteractiveScores], max_frames: int) -> list[Step]:
    """The means for 1 to `max_frames` clicked frames. Each object counts the same. There is at least one."""
    return [
        Step(
            num_frames=number,
            num_clicks=fmean(entry.num_clicks(number) for entry in scores),
            j=fmean(entry.after(number).mean_j for entry in scores),
            f=fmean(entry.after(number).mean_f for entry in scores),
        )
        for number in range(1, max_frames + 1)
    ]


def write_results(path: Path, scores: Sequence[InteractiveScores], steps: Sequence[Step]) -> None:
    """Write results.json, the means, and results.csv, a row an object and number of frames, to a folder."""
    write_json(path / "results.json", _to_json(scores, steps))
    rows: list[tuple[object, ...]] = [COLUMNS]
    for entry in scores:
        for step in steps:
            known, clicks = entry.after(step.num_frames), entry.num_clicks(step.num_frames)
            values = (f"{value:.3f}" for value in (known.mean_jf, known.mean_j, known.mean_f))
            rows.append((entry.sequence, entry.object_id, step.num_frames, clicks, *values))
    write_csv(path / "results.csv", rows)


def _to_json(scores: Sequence[InteractiveScores], steps: Sequence[Step]) -> dict[str, Any]:
    """The means: over all numbers of frames, which is the paper's number, and of each."""
    return {
        "num_objects": len(scores),
        "mean_jf": fmean(step.jf for step in steps),
        "steps": [
            {"frames": step.num_frames, "clicks": step.num_clicks, "jf": step.jf, "j": step.j, "f": step.f}
            for step in steps
        ],
    }


def interactive_page(
    scores: Sequence[InteractiveScores], steps: Sequence[Step], *, title: str, facts: Mapping[str, str]
) -> Page:
    """The report: curves over clicked frames and over clicks, and every object."""
    ends = {f"J&F, {_frames(step.num_frames)}": step.jf for step in (steps[0], steps[-1])}
    mean = {f"J&F, mean of 1 to {_frames(len(steps))}": fmean(step.jf for step in steps)}
    headline = Headline(values=mean | ends)
    table = Table(
        columns=("frames", "clicks", "J&F", "J", "F"),
        rows=[(step.num_frames, step.num_clicks, step.jf, step.j, step.f) for step in steps],
    )
    effort = "Frames and clicks are those that an object got at most and on average: one that is right gets no more."
    sections = [
        Section(heading="J&F by effort", text=effort, parts=(headline, table, *_charts(steps))),
        Section(heading="Objects", parts=(_objects(scores, steps), _spread(scores, steps))),
    ]
    return Page(title=title, facts=facts, sections=sections)


def _charts(steps: Sequence[Step]) -> list[Chart]:
    frames = [float(step.num_frames) for step in steps]
    clicks = [step.num_clicks for step in steps]
    curves = {"J&F": [s.jf for s in steps], "J": [s.j for s in steps], "F": [s.f for s in steps]}
    return [
        Chart(
            title=f"Quality by {what}",
            x_label=what,
            y_label="mean over objects",
            curves=[Curve(name=name, x=x, y=y) for name, y in curves.items()],
        )
        for what, x in (("clicked frames", frames), ("clicks an object", clicks))
    ]


def _objects(scores: Sequence[InteractiveScores], steps: Sequence[Step]) -> Table:
    last = steps[-1].num_frames
    columns = ("sequence", "object", "frames clicked", "clicks", "J&F, 1 frame", f"J&F, {_frames(last)}", "mean")
    rows = []
    for entry in scores:
        values = [entry.after(step.num_frames).mean_jf for step in steps]
        counts = (len(entry.rounds), entry.num_clicks(last))
        rows.append((entry.sequence, str(entry.object_id), *counts, values[0], values[-1], fmean(values)))
    return Table(columns=columns, rows=sorted(rows, key=lambda row: row[-1]))


def _spread(scores: Sequence[InteractiveScores], steps: Sequence[Step]) -> Chart:
    """Every object's J&F in order, after the first round and after the last."""
    curves = []
    for number in dict.fromkeys((1, steps[-1].num_frames)):
        values = sorted(entry.after(number).mean_jf for entry in scores)
        curves.append(Curve(name=_frames(number), x=[float(rank) for rank in range(1, len(values) + 1)], y=values))
    return Chart(title="J&F of all objects", x_label="objects, worst first", y_label="J&F", curves=curves)


def _frames(number: int) -> str:
    return f"{number} frame{'s' if number > 1 else ''}"
