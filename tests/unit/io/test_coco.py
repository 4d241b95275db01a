from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from masklet.io.coco import coco_records, merge_coco
from masklet.io.files import write_json
from masklet.ops.rle import decode_rle


@pytest.fixture
def masks() -> np.ndarray:
    masks = np.zeros((3, 20, 30), dtype=bool)
    masks[0, 2:7, 4:14] = True
    masks[2, 19, 29] = True
    return masks


def test_records(masks: np.ndarray):
    records = coco_records(Path("photos") / "a.jpg", 7, masks, np.array([0.9, 0.8, 0.5], np.float32), first_id=10)
    assert records["images"] == [{"id": 7, "file_name": "photos/a.jpg", "width": 30, "height": 20}]
    assert records["categories"] == [{"id": 1, "name": "object", "supercategory": "object"}]
    first, last = records["annotations"]  # the empty mask is left out
    assert (first["id"], last["id"]) == (10, 11)
    assert (first["area"], first["bbox"], first["iscrowd"], first["image_id"]) == (50, [4, 2, 10, 5], 0, 7)
    assert (last["area"], last["bbox"]) == (1, [29, 19, 1, 1])
    assert first["score"] == pytest.approx(0.9)
    np.testing.assert_array_equal(decode_rle(first["segmentation"]), masks[0])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own
def test_pycocotools_loads_several_images(tmp_path: Path, masks: np.ndarray):
    first = coco_records("a.jpg", 1, masks, [0.9, 0.8, 0.5])
    second = coco_records("b.jpg", 2, masks[:, :10], [0.4, 0.3, 0.2], first_id=3)
    nothing = coco_records("c.jpg", 3, masks[:0], [])
    path = tmp_path / "coco.json"
    write_json(path, merge_coco([first, second, nothing]))
    coco = COCO(str(path))
    assert coco.getImgIds() == [1, 2, 3]
    assert coco.getAnnIds(imgIds=[3]) == []
    for image_id, height in ((1, 20), (2, 10)):
        annotation = coco.loadAnns(coco.getAnnIds(imgIds=[image_id]))[0]
        np.testing.assert_array_equal(coco.annToMask(annotation).astype(bool), masks[0, :height])
    assert coco.loadCats(coco.getCatIds())[0]["name"] == "object"


def test_what_does_not_fit_is_refused(masks: np.ndarray):
    with pytest.raises(ValueError, match="3 masks and 1 scores"):
        coco_records("a.jpg", 1, masks, [0.9])
    with pytest.raises(ValueError, match="not uint8"):
        coco_records("a.jpg", 1, masks.astype(np.uint8), [1, 1, 1])
    with pytest.raises(ValueError, match=r"\(20, 30\)"):
        coco_records("a.jpg", 1, masks[0], [1])
    with pytest.raises(ValueError, match="from 1, not 0"):
        coco_records("a.jpg", 1, masks, [1, 1, 1], first_id=0)
    one = coco_records("a.jpg", 1, masks, [1, 1, 1])
    with pytest.raises(ValueError, match="two images have the id 1"):
        merge_coco([one, one])
    with pytest.raises(ValueError, match="two annotations have the id 1"):
        merge_coco([one, coco_records("b.jpg", 2, masks, [1, 1, 1])])
