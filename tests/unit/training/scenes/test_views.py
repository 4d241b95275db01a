"""Views of photographs: square, the first of them whole, written as they come."""

import numpy as np
import pytest
from PIL import Image

from masklet.training.scenes import views
from masklet.training.scenes.parts import find_parts, read_sources
from masklet.training.scenes.regions import Regions
from masklet.training.scenes.views import (
    SMALL_PHOTO,
    VIEW_SIZE,
    Photograph,
    find_photographs,
    make_views,
    prepare_views,
    random_view,
)

ONE_REGION = {
    "labels": np.zeros((VIEW_SIZE, VIEW_SIZE), np.uint16),
    "members": np.ones((1, 1), bool),
    "scores": np.ones(1, np.float32),
}


@pytest.fixture(autouse=True)
def _quick_regions(monkeypatch):
    """Halves of the picture, without scikit-image."""

    def halves(rgb: np.ndarray, _: int, ask: object) -> Regions:
        labels = np.zeros(rgb.shape[:2], np.uint16)
        labels[:, VIEW_SIZE // 2 :] = 1
        return Regions(labels=labels, members=np.eye(2, dtype=bool), scores=np.array([0.8, 0.3], np.float32))

    monkeypatch.setattr(views, "find_regions", halves)


def photograph(path, width: int = 400, height: int = 300) -> Photograph:
    path.parent.mkdir(exist_ok=True)
    ramp = np.linspace(0, 255, width).astype(np.uint8)
    Image.fromarray(np.repeat(np.tile(ramp, (height, 1))[..., None], 3, 2)).save(path)
    return Photograph(path, 3)


def test_views_are_square_and_the_first_is_whole(tmp_path):
    whole, *crops = make_views(photograph(tmp_path / "one.png"))
    assert len(crops) == 2
    for rgb, labels, members, scores in (whole, *crops):
        assert (rgb.shape, rgb.dtype) == ((VIEW_SIZE, VIEW_SIZE, 3), np.uint8)
        assert labels.max() == 1
        assert members[:2, :2].tolist() == [[True, False], [False, True]]
        assert scores[:3].tolist() == pytest.approx([0.8, 0.3, 0.0])
    assert np.ptp(whole[0]) > 250
    assert all(np.ptp(crop[0]) <= np.ptp(whole[0]) for crop in crops)


def test_small_photographs_have_one_view_and_backdrops_no_regions(tmp_path):
    assert len(make_views(photograph(tmp_path / "small.png", 400, SMALL_PHOTO - 1))) == 1
    backdrop = photograph(tmp_path / "backdrop.png")
    assert not make_views(Photograph(backdrop.path, 1, with_regions=False))[0][3].any()


def test_crops_show_enough_of_small_pictures():
    rgb = np.zeros((200, 200, 3), np.uint8)
    rgb[10:-10, 10:-10] = 255
    for seed in range(10):
        assert random_view(rgb, np.random.default_rng(seed), whole=False).mean() > 150


def test_views_do_not_depend_on_what_else_is_prepared(tmp_path):
    one = photograph(tmp_path / "in" / "one.png")
    for first, second in zip(make_views(one), make_views(one), strict=True):
        np.testing.assert_array_equal(first[0], second[0])


def test_photographs_are_found_below_and_unreadable_ones_passed_over(tmp_path, capsys):
    photograph(tmp_path / "in" / "one.png")
    (tmp_path / "in" / "deep").mkdir()
    photograph(tmp_path / "in" / "deep" / "two.jpg")
    (tmp_path / "in" / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    found = find_photographs(tmp_path / "in", 2)
    assert sorted(one.path.name for one in found) == ["broken.jpg", "one.png", "two.jpg"]
    assert prepare_views(found, tmp_path, 1) == {"views": 4, "unreadable": 1}
    assert "broken.jpg" in capsys.readouterr().err.replace("\n", "")
    (part,) = find_parts(tmp_path, "views_scores.npy")
    assert np.load(part / "views_rgb.npy").shape == (4, VIEW_SIZE, VIEW_SIZE, 3)


def test_what_is_done_is_kept_when_stopped_and_not_done_again(tmp_path, monkeypatch):
    monkeypatch.setattr(views, "PART_VIEWS", 6)
    photographs = [photograph(tmp_path / "in" / f"{number}.png") for number in range(5)]
    make, made = views.make_views, []

    def stop_at_four(one: Photograph) -> list:
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(one.path.name)
        return make(one)

    monkeypatch.setattr(views, "make_views", stop_at_four)
    with pytest.raises(KeyboardInterrupt):
        prepare_views(photographs, tmp_path, 1)
    assert len(read_sources(tmp_path, "views")) == 3
    monkeypatch.setattr(views, "make_views", make)
    assert prepare_views(photographs, tmp_path, 1)["views"] == 6
    parts = find_parts(tmp_path, "views_scores.npy")
    assert [len(np.load(part / "views_scores.npy")) for part in parts] == [6, 3, 6]


@pytest.mark.slow
def test_processes_make_the_same_views(tmp_path):
    found = [Photograph(photograph(tmp_path / f"{number}.png").path, 2, with_regions=False) for number in range(3)]
    for name, num_processes in (("one", 1), ("two", 2)):
        prepare_views(found, tmp_path / name, num_processes)
    one, two = (np.load(find_parts(tmp_path / name, "views_rgb.npy")[0] / "views_rgb.npy") for name in ("one", "two"))
    np.testing.assert_array_equal(one, two)


def test_nothing_to_prepare_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        find_photographs(tmp_path / "nowhere", 2)
    with pytest.raises(ValueError, match="no photographs"):
        find_photographs(tmp_path, 2)
    with pytest.raises(ValueError, match="positive, got 0"):
        prepare_views([], tmp_path, 0)


def test_a_model_is_asked_where_one_is_named(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(views, "ModelOpinion", lambda model: f"opinion of {model}")
    monkeypatch.setattr(views, "find_regions", lambda rgb, most, ask: asked.append(ask) or Regions(**ONE_REGION))
    views._opinion_of.cache_clear()
    Image.new("RGB", (64, 64)).save(tmp_path / "one.png")
    for model in (None, "some.safetensors"):
        make_views(Photograph(tmp_path / "one.png", 1, model=model))
    views._opinion_of.cache_clear()
    assert asked == [None, "opinion of some.safetensors"]
