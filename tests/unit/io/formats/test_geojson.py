import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from shapely import is_ccw
from shapely.geometry import shape

from masklet.io.formats.geojson import GeojsonWriter, read_geojson
from masklet.io.formats.picture import AnnotatedPicture
from masklet.ops.masks import mask_iou


def write(folder: Path, pictures: list[AnnotatedPicture]) -> None:
    with GeojsonWriter(folder) as writer:
        for picture in pictures:
            writer.write(picture)


def test_masks_come_back(tmp_path: Path, hard_pictures: list[AnnotatedPicture]):
    write(tmp_path, hard_pictures)
    pictures = list(read_geojson(tmp_path))
    assert [(picture.name, picture.size) for picture in pictures] == [("a/cup.jpg", (120, 160)), ("jug.png", (30, 20))]
    for back, found in zip(pictures[0].objects, hard_pictures[0].objects, strict=True):
        assert (back.id, back.label, back.score) == (found.id, found.label, found.score)
        assert mask_iou(back.mask, found.mask) > 0.98


def test_shapely_finds_them_valid(tmp_path: Path, hard_pictures: list[AnnotatedPicture]):
    write(tmp_path, hard_pictures)
    features = json.loads((tmp_path / "a/cup.geojson").read_text())["features"]
    shapes = [shape(feature["geometry"]) for feature in features]
    for geometry, found in zip(shapes, hard_pictures[0].objects, strict=True):
        assert geometry.is_valid
        assert geometry.area == pytest.approx(found.area, rel=0.02)
        for part in getattr(geometry, "geoms", [geometry]):
            assert is_ccw(part.exterior)
            assert not any(is_ccw(hole) for hole in part.interiors)
    assert [geometry.geom_type for geometry in shapes[:4]] == ["Polygon", "MultiPolygon", "MultiPolygon", "Polygon"]
    assert len(shapes[0].interiors) == 1
    assert sorted(len(part.interiors) for part in shapes[1].geoms) == [0, 1]


def test_files_of_others(tmp_path: Path, hard_pictures: list[AnnotatedPicture], save_pictures: Callable):
    square = [[[1, 1], [4, 1], [4, 3], [1, 3], [1, 1]]]
    features = [
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": square}, "properties": None},
        {"type": "Feature", "geometry": None, "properties": None},
    ]
    folder = tmp_path / "geojson"
    folder.mkdir()
    file = folder / "jug.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    with pytest.raises(ValueError, match=r"jug\.geojson cannot be read: .*give the folder of the pictures"):
        list(read_geojson(folder))
    (picture,) = read_geojson(folder, pictures=save_pictures(hard_pictures))
    (found,) = picture.objects
    assert (picture.name, found.id, found.label, found.box) == ("jug.png", 1, "object", (1, 1, 3, 2))
    assert found.area == 6
    features[0]["geometry"] = {"type": "Point", "coordinates": [1, 2]}
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    with pytest.raises(ValueError, match=r"feature 1 of .*jug\.geojson .*is a Point"):
        list(read_geojson(folder, pictures=save_pictures(hard_pictures)))


def test_rings_are_closed(tmp_path: Path, hard_pictures: list[AnnotatedPicture]):
    write(tmp_path, hard_pictures)
    pixel = json.loads((tmp_path / "a/cup.geojson").read_text())["features"][3]
    (ring,) = pixel["geometry"]["coordinates"]
    assert ring[0] == ring[-1]
    assert np.ptp(ring, axis=0).tolist() == [1, 1]
    assert pixel["properties"] == {"id": 4, "label": "handle, left", "score": 0.5}


def test_features_of_other_tools(tmp_path: Path):
    square = [[1, 1, 7], [5, 1, 7], [5, 5, 7], [1, 5, 7]]
    kinds = [("Polygon", [square]), ("MultiPolygon", [[[*square, square[0]]], []]), ("Polygon", [])]
    features = [
        {
            "geometry": {"type": kind, "coordinates": coordinates},
            "properties": {"classification": {"name": "Tumor"}} if index else {"label": 5},
        }
        for index, (kind, coordinates) in enumerate(kinds)
    ]
    picture = {"file_name": "/slides/a.jpg", "height": 6, "width": 8}
    (tmp_path / "a.geojson").write_text(json.dumps({"features": features, "picture": picture}))
    (read,) = read_geojson(tmp_path)
    assert read.name == "slides/a.jpg"
    assert [(found.label, found.area) for found in read.objects] == [("5", 16), ("Tumor", 16), ("Tumor", 0)]
