import json
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pytest

from masklet.io.formats.label_studio import LabelStudioWriter, read_label_studio
from masklet.io.formats.picture import AnnotatedPicture


@pytest.fixture
def nothing() -> AnnotatedPicture:
    return AnnotatedPicture(name="none.jpg", height=4, width=5, objects=())


@pytest.fixture
def written(tmp_path: Path, hard_picture: AnnotatedPicture, nothing: AnnotatedPicture) -> Path:
    with LabelStudioWriter(tmp_path) as writer:
        writer.write(hard_picture)
        writer.write(nothing)
    return tmp_path


def test_there_and_back(written: Path, hard_picture: AnnotatedPicture, nothing: AnnotatedPicture):
    assert list(read_label_studio(written)) == [hard_picture, nothing]
    assert list(read_label_studio(written / "label_studio.json")) == [hard_picture, nothing]


def test_label_studio_decodes_the_masks(brush: ModuleType, written: Path, hard_picture: AnnotatedPicture):
    task = json.loads((written / "label_studio.json").read_text(encoding="utf-8"))[0]
    assert task["data"]["image"] == hard_picture.name
    (prediction,) = task["predictions"]
    assert prediction["score"] == pytest.approx((0.9375 + 0.5 + 0.0 + 1.0) / 4)
    results = [{**region, **region["value"]} for region in prediction["result"]]  # as its exporters lay them out
    layers = brush.decode_from_annotation("label", results)
    assert len(layers) == len(hard_picture.objects)
    for layer, found in zip(layers.values(), hard_picture.objects, strict=True):
        np.testing.assert_array_equal(layer > 0, found.mask)


def test_the_labelling_interface_fits_the_tasks(written: Path):
    root = ElementTree.parse(written / "label_config.xml").getroot()
    image, labels = root.find("Image"), root.find("BrushLabels")
    assert image is not None
    assert labels is not None
    names = [label.get("value") for label in labels.findall("Label")]
    assert names == ["cup", 'a "blue" <cup> & pot', "Täßchen", "object"]
    for task in json.loads((written / "label_studio.json").read_text(encoding="utf-8")):
        assert image.get("value") == "$image"
        assert "image" in task["data"]
        for region in task["predictions"][0]["result"]:
            assert (region["from_name"], region["to_name"]) == (labels.get("name"), labels.get("toName"))
            assert region["to_name"] == image.get("name")
            assert region["value"]["brushlabels"][0] in names


def test_frames_are_pictures(tmp_path: Path, video, frames: list[AnnotatedPicture]):
    with LabelStudioWriter(tmp_path, video=video) as writer:
        for frame in frames:
            writer.write(frame)
    for read, frame in zip(read_label_studio(tmp_path), frames, strict=True):
        assert (read.name, read.frame_index) == (frame.name, frame.frame_index)
        assert read.objects == frame.visible


def test_nothing_at_all(tmp_path: Path):
    LabelStudioWriter(tmp_path).close()
    assert list(read_label_studio(tmp_path)) == []
    assert 'value="object"' in (tmp_path / "label_config.xml").read_text()


def test_what_people_have_done_to_it(written: Path, hard_picture: AnnotatedPicture):
    """As Label Studio exports: annotations beside predictions, regions of other kinds, ids and addresses of its own."""
    path = written / "label_studio.json"
    tasks = json.loads(path.read_text(encoding="utf-8"))
    cup, pot, *_ = tasks[0]["predictions"][0]["result"]
    drawn = pot | {"id": "x8fKq", "value": pot["value"] | {"brushlabels": ["jug"]}}
    box = {"id": "b", "type": "rectanglelabels", "value": {}}
    tasks[0]["annotations"] = [
        {"was_cancelled": False, "result": [drawn, box, cup]},
        {"was_cancelled": True, "result": []},
    ]
    tasks[0]["data"] = {"image": "/data/local-files/?d=kitchen/a%20cup.jpg"}
    tasks[1] = {"data": {"image": "s3://bucket/b.jpg"}, "annotations": [{"result": []}]}
    path.write_text(json.dumps(tasks))
    (picture,) = read_label_studio(path)  # how large the second is, nothing says
    assert picture.name == "kitchen/a cup.jpg"
    assert [(found.id, found.label) for found in picture.objects] == [(2, "jug"), (1, "cup")]
    np.testing.assert_array_equal(picture.objects[0].mask, hard_picture.objects[1].mask)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda region: region.pop("value"), r"task 0 .*region object-1 .*lacks 'value'"),
        (lambda region: region["value"].update(rle=region["value"]["rle"][:-9]), "object-1 .*too early"),
        (lambda region: region["value"].update(rle="abc"), "object-1 .*cannot be read"),
        (lambda region: region.update(original_width=81), "object-1 .*make a picture of its size"),
    ],
)
def test_damaged_regions(written: Path, change, said: str):
    path = written / "label_studio.json"
    tasks = json.loads(path.read_text(encoding="utf-8"))
    change(tasks[0]["predictions"][0]["result"][0])
    path.write_text(json.dumps(tasks))
    with pytest.raises(ValueError, match=said) as raised:
        list(read_label_studio(written))
    assert str(path) in str(raised.value)


def test_files_of_another_kind(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"label_studio\.json"):
        next(read_label_studio(tmp_path))
    path = tmp_path / "label_studio.json"
    for text, said in (("[", "cannot be read"), ("{}", "a list was expected"), ("[3]", "task 0 cannot be read")):
        path.write_text(text)
        with pytest.raises(ValueError, match=said):
            next(read_label_studio(tmp_path))


def test_predictions_by_number_alone(tmp_path: Path):
    path = tmp_path / "tasks.json"
    data = {"image": "/data/../a.jpg", "height": 4, "width": 5}
    path.write_text(json.dumps([{"data": data, "annotations": [], "predictions": [17]}]))
    (picture,) = read_label_studio(path)
    assert (picture.name, picture.size, picture.objects) == ("data/a.jpg", (4, 5), ())
