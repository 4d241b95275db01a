"""Parts of prepared pictures: numbered, whole or not there, and known by what they were made of."""

import numpy as np
import pytest

from masklet.training.scenes.parts import find_parts, prepared_folder, read_sources, write_part


def test_parts_follow_each_other(tmp_path):
    assert find_parts(tmp_path, "cutouts.npy") == []
    assert read_sources(tmp_path, "cutouts") == set()
    for number, names in enumerate((["a", "b"], ["c"])):
        part = write_part(tmp_path, "cutouts", {"cutouts": np.full(3, number)}, names)
        assert part.name == f"cutouts-000{number}"
    write_part(tmp_path, "views", {"views_rgb": np.zeros(2)}, ["d"])
    assert [np.load(part / "cutouts.npy")[0] for part in find_parts(tmp_path, "cutouts.npy")] == [0, 1]
    assert read_sources(tmp_path, "cutouts") == {"a", "b", "c"}
    assert read_sources(tmp_path, "views") == {"d"}


def test_the_folder_itself_may_be_a_part(tmp_path):
    prepared_folder(tmp_path).mkdir()
    np.save(prepared_folder(tmp_path) / "views_rgb.npy", np.zeros(2))
    write_part(tmp_path, "views", {"views_rgb": np.zeros(2)}, ["d"])
    assert len(find_parts(tmp_path, "views_rgb.npy")) == 2


def test_half_a_part_is_none(tmp_path):
    class Unwritable:
        def __array__(self, *_: object, **__: object) -> np.ndarray:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_part(tmp_path, "views", {"views_rgb": np.zeros(2), "views_labels": Unwritable()}, ["a"])
    assert find_parts(tmp_path, "views_rgb.npy") == []
    assert read_sources(tmp_path, "views") == set()
    assert write_part(tmp_path, "views", {"views_rgb": np.zeros(2)}, ["a"]).name == "views-0000"
