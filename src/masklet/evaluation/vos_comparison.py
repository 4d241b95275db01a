"""The report on several runs over the same videos: which is better, on which objects, and how the difference looks."""

from collections.abc import Mapping
from pathlib import Path

from masklet.datasets.sequences import VideoDataset
from masklet.evaluation.page import Chart, Gallery, Page, Section, Table
from masklet.evaluation.scores import ObjectScores, VideoScores
from masklet.evaluation.vos_pictures import Case, draw_case
from masklet.evaluation.vos_report import MEASURES, NUM_WORST, frames_curve, object_name, sorted_chart

ObjectKey = tuple[str, int]
"""Sequence and object id."""


def comparison_page(
    dataset: VideoDataset,
    runs: Mapping[str, VideoScores],
    predicted_roots: Mapping[str, Path] | None = None,
    *,
    facts: Mapping[str, str],
) -> Page:
    """A report on several runs, by their names.

    predicted_roots: for each run the folder with a folder of masks for each sequence; None: a report without pictures.
    ValueError or FileNotFoundError names a frame or mask that has scores and is not there.
    """
    by_object = {name: {(seq, scored.object_id): scored for seq, scored in run.objects} for name, run in runs.items()}
    shared = set.intersection(*(set(objects) for objects in by_object.values()))
    known = list(dict.fromkeys(key for objects in by_object.values() for key in objects))
    text = MEASURES
    if len(shared) < len(known):
        text += f" Only {len(shared)} of {len(known)} objects have scores in all runs, so the means are not comparable."
    table = Table(
        columns=("run", "J&F", "J", "F", "objects", "sequences"),
        rows=[
            (name, run.mean_jf, run.mean_j, run.mean_f, len(run.objects), len(run.sequences))
            for name, run in runs.items()
        ],
    )
    apart = _most_apart({key: [objects[key] for objects in by_object.values()] for key in known if key in shared})
    sections = [
        Section(heading="Scores", text=text, parts=[table]),
        Section(heading="All objects, from the worst to the best", parts=[sorted_chart(runs)]),
        Section(
            heading="The objects on which the runs differ most",
            parts=[_chart(key, {name: objects[key] for name, objects in by_object.items()}) for key in apart],
        ),
    ]
    if predicted_roots is not None:
        cases = [_widest_case(key, {name: objects[key] for name, objects in by_object.items()}) for key in apart]
        pictures = [draw_case(dataset, predicted_roots, case) for case in cases]
        text = f"The frame on which J differs most. The runs in order, {', '.join(runs)}, and at the end the truth."
        sections.append(Section(heading="How the difference looks", text=text, parts=[Gallery(pictures=pictures)]))
    sections.append(Section(heading="Sequences and objects", text="J&F of each run.", parts=[_table(known, by_object)]))
    return Page(title=f"Objects in videos: {len(runs)} runs on {dataset.name}", facts=facts, sections=sections)


def _most_apart(objects: Mapping[ObjectKey, list[ObjectScores]]) -> list[ObjectKey]:
    """The objects whose J&F differ most between runs."""

    def difference(key: ObjectKey) -> float:
        means = [scored.mean_jf for scored in objects[key]]
        return max(means) - min(means)

    return sorted(objects, key=difference, reverse=True)[:NUM_WORST]


def _chart(key: ObjectKey, by_run: Mapping[str, ObjectScores]) -> Chart:
    curves = [frames_curve(name, scored) for name, scored in by_run.items()]
    return Chart(title=object_name(*key), x_label="frame", y_label="J", curves=curves, y_range=(0, 100))


def _widest_case(key: ObjectKey, by_run: Mapping[str, ObjectScores]) -> Case:
    """The frame on which J differs most; each run scores the frames of the truth, from where each sees the object."""
    sequence, object_id = key
    values = [dict(zip(scored.frames, scored.j, strict=True)) for scored in by_run.values()]
    shared = [frame for frame in values[0] if all(frame in each for each in values)]
    frame = max(shared, key=lambda frame: max(each[frame] for each in values) - min(each[frame] for each in values))
    told = ", ".join(f"{name} {100 * each[frame]:.1f}" for name, each in zip(by_run, values, strict=True))
    caption = f"{object_name(sequence, object_id)}, frame {frame}, J: {told}"
    return Case(sequence=sequence, object_id=object_id, frame=frame, caption=caption)


def _table(keys: list[ObjectKey], by_object: Mapping[str, Mapping[ObjectKey, ObjectScores]]) -> Table:
    """A row an object, a column a run; a gap where a run has no scores."""
    rows = []
    for key in keys:
        found = [objects.get(key) for objects in by_object.values()]
        rows.append((*key, *(float("nan") if scored is None else scored.mean_jf for scored in found)))
    return Table(columns=("sequence", "object", *by_object), rows=rows)
