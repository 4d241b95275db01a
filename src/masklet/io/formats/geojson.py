"""GeoJSON (RFC 7946): a feature an object, as polygons with holes, for tools of pathology, of maps and of shapes.

STEM.geojson     a FeatureCollection; of each feature the geometry is a Polygon or MultiPolygon, the properties are
                 id, label and score; a member `picture` tells file_name, height and width

Coordinates are pixels of the picture, x and y, with y down: pixel (0, 0) reaches from (0, 0) to (1, 1). They are no
degrees, so a viewer of maps needs a plain coordinate system. Outlines go round as the RFC wants by their coordinates as
they are. A polygon's area is its object's, as far as outlines were not simplified, which costs less than 2% of it.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from masklet.io.files import read_json, write_json
from masklet.io.formats.picture import AnnotatedPicture, ObjectMask
from masklet.io.formats.pictures import find_picture
from masklet.io.formats.reading import files_in, naming, number_objects, one_line, picture_name, picture_size
from masklet.io.formats.writer import AnnotationWriter, picture_stem
from masklet.ops.polygons import Polygon, mask_to_polygons, polygons_to_mask


class GeojsonWriter(AnnotationWriter):
    """Writes STEM.geojson of each picture. Objects without a pixel are left out; of a video the frames are pictures."""

    by_stem = True

    def _add(self, picture: AnnotatedPicture) -> None:
        value = {
            "type": "FeatureCollection",
            "picture": {"file_name": picture.name, "height": picture.height, "width": picture.width},
            "features": [_feature(found) for found in picture.visible],
        }
        write_json(self._stage(f"{picture_stem(picture.name)}.geojson"), value)


def _feature(found: ObjectMask) -> dict[str, Any]:
    polygons = [[_closed(ring) for ring in polygon.rings] for polygon in mask_to_polygons(found.mask)]
    if len(polygons) == 1:
        geometry = {"type": "Polygon", "coordinates": polygons[0]}
    else:
        geometry = {"type": "MultiPolygon", "coordinates": polygons}
    properties = {"id": found.id, "label": found.label, "score": found.score}
    return {"type": "Feature", "id": found.id, "geometry": geometry, "properties": properties}


def _closed(ring: np.ndarray) -> list[list[int]]:
    """A ring as GeoJSON has it: the first corner comes again at the end. Corners of pixels are whole numbers."""
    return np.rint(np.append(ring, ring[:1], axis=0)).astype(int).tolist()


def read_geojson(path: Path, *, pictures: Path | None = None) -> Iterator[AnnotatedPicture]:
    """The pictures of the files in a folder and those below, in the order of their names; or of the one file.

    Files of others say nothing of the picture: `pictures` is the folder to find it in, by the file's stem. Features
    that are no areas are an error, those without a geometry are left out. FileNotFoundError; ValueError names file and
    feature.
    """
    for file, folder in files_in(path, ".geojson"):
        value = read_json(file, ("features",))
        with naming(str(file)):
            picture = value.get("picture")
            if picture is not None:
                name, size = picture_name(picture["file_name"]), picture_size(picture["height"], picture["width"])
            elif pictures is not None:
                name, size = find_picture(pictures, str(PurePosixPath(folder) / file.stem))
            else:
                raise ValueError("it does not say how large the picture is: give the folder of the pictures too")
            features = [feature for feature in value["features"] if feature["geometry"] is not None]
            known = [feature.get("properties") or {} for feature in features]
            ids = number_objects([_whole(properties.get("id")) for properties in known])
        objects = []
        for id_, feature, properties in zip(ids, features, known, strict=True):
            with naming(f"feature {id_} of {file}"):
                mask = polygons_to_mask(_polygons(feature["geometry"]), size)
                objects.append(ObjectMask.of_mask(mask, id_, label=_label(properties), score=properties.get("score")))
        with naming(str(file)):
            yield AnnotatedPicture(name=name, height=size[0], width=size[1], objects=tuple(objects))


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _label(properties: dict[str, Any]) -> str:
    """The label: QuPath has it as the name of a classification."""
    classification = properties.get("classification")
    name = classification.get("name") if isinstance(classification, dict) else classification
    return one_line(properties.get("label") or name)


def _polygons(geometry: dict[str, Any]) -> list[Polygon]:
    if geometry["type"] not in ("Polygon", "MultiPolygon"):
        raise ValueError(f"its geometry is a {geometry['type']}, and areas alone are read: Polygon and MultiPolygon")
    several = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    rings_of_each = [[_open(ring) for ring in rings] for rings in several if rings]  # one without a ring is empty
    return [Polygon(outer, tuple(holes)) for outer, *holes in rings_of_each]


def _open(ring: list[list[float]]) -> np.ndarray:
    """A ring without its first corner at the end, and without heights, as a third coordinate."""
    corners = np.array(ring, np.float64)[:, :2]
    return corners[:-1] if (corners[0] == corners[-1]).all() else corners
