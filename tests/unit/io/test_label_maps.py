"""Label maps: reading ids from palettes and greys, and writing them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from masklet.io.label_maps import (
    davis_palette,
    find_values,
    read_labels,
    read_palette,
    to_labels,
    write_labels,
)

LABELS = np.array([[0, 1, 2], [255, 0, 7]], np.int32)


def test_the_palette_is_that_of_davis() -> None:
    colours = np.array(davis_palette()).reshape(256, 3)
    assert colours[:9].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [128, 128, 0],
        [0, 0, 128],
        [128, 0, 128],
        [0, 128, 128],
        [128, 128, 128],
        [64, 0, 0],
    ]
    assert colours[255].tolist() == [224, 224, 192]
    assert len({tuple(colour) for colour in colours.tolist()}) == 256


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_labels(tmp_path / "map.png", LABELS)
    assert np.array_equal(read_labels(tmp_path / "map.png"), LABELS)
    assert read_labels(tmp_path / "map.png").dtype == np.int32
    assert read_palette(tmp_path / "map.png") == davis_palette()


def test_a_palette_of_ones_own_is_kept(tmp_path: Path) -> None:
    palette = [3 * (index % 80) for index in range(768)]
    write_labels(tmp_path / "map.png", LABELS, palette)
    assert read_palette(tmp_path / "map.png") == palette
    assert np.array_equal(read_labels(tmp_path / "map.png"), LABELS)


@pytest.mark.parametrize(("dtype", "largest"), [(np.uint8, 200), (np.uint16, 40_000)])
def test_of_grey_pictures_the_values_are_ids(dtype: type, largest: int, tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 3], [largest, 1]], dtype)).save(tmp_path / "map.png")
    assert read_labels(tmp_path / "map.png").tolist() == [[0, 3], [largest, 1]]
    assert read_palette(tmp_path / "map.png") is None


def test_of_black_and_white_pictures_white_is_1(tmp_path: Path) -> None:
    Image.fromarray(np.array([[False, True]])).save(tmp_path / "map.png")
    assert read_labels(tmp_path / "map.png").tolist() == [[0, 1]]


def test_programs_that_draw_write_greys_as_rgb(tmp_path: Path) -> None:
    Image.fromarray(LABELS.astype(np.uint8)).convert("RGB").save(tmp_path / "map.png")
    assert np.array_equal(read_labels(tmp_path / "map.png"), LABELS)


def test_pictures_in_colours_hold_no_ids(tmp_path: Path) -> None:
    Image.fromarray(np.arange(18, dtype=np.uint8).reshape(2, 3, 3)).save(tmp_path / "map.png")
    with pytest.raises(ValueError, match=r"map.png is a picture of mode RGB, whose pixels are colours"):
        read_labels(tmp_path / "map.png")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"map.png"):
        read_labels(tmp_path / "map.png")
    write_labels(tmp_path / "map.png", np.arange(10_000).reshape(100, 100) % 251)
    (tmp_path / "cut.png").write_bytes((tmp_path / "map.png").read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"cut.png is truncated or damaged"):
        read_labels(tmp_path / "cut.png")


@pytest.mark.parametrize("wrong", [-1, 256])
def test_ids_that_no_palette_has_are_refused(wrong: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"map.png cannot hold the object {wrong}"):
        write_labels(tmp_path / "map.png", np.array([[0, wrong]]))
    assert not list(tmp_path.iterdir())


def test_where_masks_overlap_the_lowest_id_wins() -> None:
    masks = {id_: np.zeros((1, 4), bool) for id_ in (5, 2, 9)}
    masks[5][0, :2] = masks[2][0, 1:3] = masks[9][0, :] = True
    assert to_labels(masks, (1, 4)).tolist() == [[5, 2, 2, 9]]
    assert to_labels({}, (1, 4)).tolist() == [[0, 0, 0, 0]]


@given(st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(lambda size: arrays(np.int32, size)))
def test_values_are_found_wherever_they_are(labels: np.ndarray) -> None:
    assert find_values(labels) == np.unique(labels).tolist()
