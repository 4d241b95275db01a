"""The report on one run over a video data set: how good, of which objects, and where it goes wrong."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from masklet.datasets.sequences import VideoDataset
from masklet.evaluation.page import Chart, Curve, Gallery, Headline, Page, Section, Table
from masklet.evaluation.scores import ObjectScores, VideoScores
from masklet.evaluation.vos_pictures import Case, draw_case

NUM_WORST = 6
"""So many objects are shown, with up to two frames each."""

MEASURES = (
    "J is region similarity, a mask's overlap with the truth; F is contour accuracy, how well their boundaries match; "
    "J&F is their mean. All are in percent, means over objects."
)

MIN_FALL = 0.1
"""A fall of J from one frame to the next by less than this is no turning point."""


def vos_page(
    dataset: VideoDataset, scores: VideoScores, predicted_root: Path | None, *, facts: Mapping[str, str]
) -> Page:
    """A report on one run.

    predicted_root: the folder with a folder of masks for each sequence; None: a report without pictures. facts: what
    was run, how and where. ValueError or FileNotFoundError names a frame or mask that has scores and is not there.
    """
    worst = worst_objects(scores)
    headline = Headline(
        values={
            "J&F": scores.mean_jf,
            "J": scores.mean_j,
            "F": scores.mean_f,
            "objects": len(scores.objects),
            "sequences": len(scores.sequences),
        }
    )
    sections = [
        Section(heading="Scores", text=MEASURES, parts=[headline]),
        Section(heading="All objects, from the worst to the best", parts=[sorted_chart({"J&F": scores})]),
        Section(heading="The worst objects through their videos", parts=[frames_chart(worst)]),
    ]
    if predicted_root is not None:
        pictures = [
            draw_case(dataset, {"prediction": predicted_root}, case)
            for sequence, scored in worst
            for case in telling_frames(sequence, scored)
        ]
        text = (
            "Of each of these objects the frame on which J falls the most, where there is such a fall, and the worst "
            "one. On the left is the prediction, on the right the truth. A click enlarges a picture."
        )
        sections.append(Section(heading="Where it goes wrong", text=text, parts=[Gallery(pictures=pictures)]))
    sections.append(Section(heading="Sequences and objects", parts=[object_table(scores)]))
    return Page(title=f"Objects in videos: {dataset.name}", facts=facts, sections=sections)


def object_name(sequence: str, object_id: int) -> str:
    """What an object is called in legends and captions."""
    return f"{sequence}, object {object_id}"


def worst_objects(scores: VideoScores, num: int = NUM_WORST) -> list[tuple[str, ObjectScores]]:
    """The objects with the lowest J&F and their sequences, the worst first."""
    return sorted(scores.objects, key=lambda scored: scored[1].mean_jf)[:num]


def telling_frames(sequence: str, scored: ObjectScores) -> list[Case]:
    """The frame on which an object's J falls the most, if it falls much, and the worst one, in their order."""
    worst = min(range(len(scored.j)), key=scored.j.__getitem__)
    chosen = {worst: "the worst frame"}
    falls = {index: scored.j[index - 1] - scored.j[index] for index in range(1, len(scored.j))}
    sharpest = max(falls, key=falls.__getitem__, default=worst)
    if sharpest != worst and falls[sharpest] > MIN_FALL:
        chosen[sharpest] = "the sharpest fall"
    return [
        Case(
            sequence=sequence,
            object_id=scored.object_id,
            frame=scored.frames[index],
            caption=f"{object_name(sequence, scored.object_id)}, frame {scored.frames[index]}, {why}: "
            f"J {100 * scored.j[index]:.1f}, F {100 * scored.f[index]:.1f}",
        )
        for index, why in sorted(chosen.items())
    ]


def sorted_chart(runs: Mapping[str, VideoScores]) -> Chart:
    """How J&F is distributed over objects: a curve a run."""
    curves = []
    for name, scores in runs.items():
        values = sorted(scored.mean_jf for _, scored in scores.objects)
        curves.append(Curve(name=name, x=range(1, len(values) + 1), y=values))
    return Chart(
        title="J&F of each object", x_label="objects, in order of J&F", y_label="J&F", curves=curves, y_range=(0, 100)
    )


def frames_chart(objects: Iterable[tuple[str, ObjectScores]]) -> Chart:
    """J of some objects on each of their frames."""
    curves = [frames_curve(object_name(sequence, scored.object_id), scored) for sequence, scored in objects]
    return Chart(title="J of each frame", x_label="frame", y_label="J", curves=curves, y_range=(0, 100))


def frames_curve(name: str, scored: ObjectScores) -> Curve:
    """J of an object on each frame, by the frames' numbers if they are called by such, else counted from 0."""
    numbered = all(frame.isdecimal() for frame in scored.frames)
    x = [int(frame) for frame in scored.frames] if numbered else list(range(len(scored.frames)))
    return Curve(name=name, x=x, y=[100 * value for value in scored.j])


def object_table(scores: VideoScores) -> Table:
    """A row an object."""
    rows = []
    for sequence, scored in scores.objects:
        worst = min(range(len(scored.j)), key=scored.j.__getitem__)
        means = (scored.mean_jf, scored.mean_j, scored.mean_f)
        rows.append((sequence, scored.object_id, len(scored.j), *means, scored.frames[worst], 100 * scored.j[worst]))
    columns = ("sequence", "object", "frames", "J&F", "J", "F", "worst frame", "its J")
    return Table(columns=columns, rows=rows)
