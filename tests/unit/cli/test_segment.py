"""`masklet segment`, called as a function, on a tiny model with random weights."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.cli.console import UsageError
from masklet.cli.draw_options import DrawOptions
from masklet.cli.options import Box, Click, ModelOptions, PromptOptions
from masklet.cli.segment import MaskOptions, check_prompts, is_ambiguous, segment, to_prompt
from masklet.io.files import read_mask_png
from masklet.io.images import read_image
from masklet.ops.regions import find_components
from masklet.ops.rle import decode_rle

POINT = PromptOptions(point=(Click(10, 8),))
TWO_BOXES = PromptOptions(box=(Box(1, 1, 20, 20), Box(5, 5, 30, 25)))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "photo.png"
    path.parent.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_a_prompt_is_needed() -> None:
    with pytest.raises(UsageError, match="--point"):
        check_prompts(PromptOptions())


@pytest.mark.parametrize("other", [{"point": (Click(1, 1),)}, {"mask": Path("m.png")}])
def test_several_boxes_stand_alone(other: dict) -> None:
    with pytest.raises(UsageError, match="several objects"):
        check_prompts(PromptOptions(box=TWO_BOXES.box, **other))


def test_one_box_goes_with_anything() -> None:
    check_prompts(PromptOptions(box=TWO_BOXES.box[:1], point=POINT.point, mask=Path("m.png")))


def test_only_a_lone_click_is_ambiguous() -> None:
    assert is_ambiguous(POINT)
    assert not is_ambiguous(PromptOptions(point=POINT.point * 2))
    assert not is_ambiguous(PromptOptions(point=POINT.point, box=TWO_BOXES.box[:1]))
    assert not is_ambiguous(TWO_BOXES)


def test_prompts_reach_the_predictor_as_they_are() -> None:
    prompt = to_prompt(PromptOptions(point=(Click(1, 2), Click(3, 4, 0)), box=TWO_BOXES.box[:1]))
    assert prompt.points == [(1, 2), (3, 4)]
    assert prompt.labels == [1, 0]
    assert np.array_equal(np.asarray(prompt.boxes), [1, 1, 20, 20])
    assert np.shape(np.asarray(to_prompt(TWO_BOXES).boxes)) == (2, 4)


def test_a_click_gives_three_candidates_best_first(
    photo: Path, model: ModelOptions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "out"
    assert segment([photo], prompts=POINT, model=model, output=out) == 0
    names = ["photo.coco.json", "photo.mask1.png", "photo.mask2.png", "photo.mask3.png", "photo.overlay.jpg"]
    assert sorted(path.name for path in out.iterdir()) == names

    coco = json.loads((out / "photo.coco.json").read_text())
    assert coco["images"] == [{"id": 1, "file_name": photo.as_posix(), "width": 40, "height": 30}]
    scores = [annotation["score"] for annotation in coco["annotations"]]
    assert scores == sorted(scores, reverse=True)
    for number, annotation in enumerate(coco["annotations"], start=1):
        mask = read_mask_png(out / f"photo.mask{number}.png")
        assert mask.shape == (30, 40)
        assert np.array_equal(decode_rle(annotation["segmentation"]), mask)
    assert read_image(out / "photo.overlay.jpg").shape == (30, 40, 3)

    captured = capsys.readouterr()
    assert captured.err == ""
    assert len(captured.out.splitlines()) == 4
    assert str(out / "photo.mask3.png") in captured.out


def test_the_overlay_is_drawn_as_told(photo: Path, model: ModelOptions, tmp_path: Path) -> None:
    overlay = tmp_path / "photo.overlay.jpg"

    def draw(**options: float) -> np.ndarray:
        assert segment([photo], prompts=TWO_BOXES, model=model, drawing=DrawOptions(**options), output=tmp_path) == 0
        return read_image(overlay)

    usual = draw()
    assert (draw(fill=0.0) != usual).any()
    assert draw(side_by_side=True).shape[1] > 2 * usual.shape[1]
    assert segment([photo], prompts=POINT, model=model, drawing=DrawOptions(no_overlay=True), output=tmp_path) == 0
    assert not overlay.exists()  # nor that of the run before


def test_single_and_multimask_can_be_asked_for(photo: Path, model: ModelOptions, tmp_path: Path) -> None:
    for multimask, prompts, expected in ((False, POINT, 1), (True, TWO_BOXES, 6), (None, TWO_BOXES, 2)):
        out = tmp_path / f"{multimask}-{expected}"
        segment([photo], prompts=prompts, model=model, masks=MaskOptions(multimask=multimask), output=out)
        assert len(list(out.glob("*.mask*.png"))) == expected


def test_holes_and_specks_are_cleaned(photo: Path, model: ModelOptions, tmp_path: Path) -> None:
    def parts(**cleaning: float) -> list[tuple[int, int]]:
        """Pieces of the inside and of the outside of each mask."""
        out = tmp_path / "_".join(cleaning)
        segment([photo], prompts=TWO_BOXES, model=model, masks=MaskOptions(**cleaning), output=out)
        masks = [read_mask_png(path) for path in sorted(out.glob("*.png"))]
        return [(find_components(mask)[0].max(), find_components(~mask)[0].max()) for mask in masks]

    assert parts(hole_area=1e9) == [(1, 0)] * 2
    for (pieces, _), (before, _) in zip(parts(sprinkle_area=1e9), parts(sprinkle_area=0), strict=True):
        assert 0 < pieces < before


def test_a_mask_can_be_refined(photo: Path, model: ModelOptions, tmp_path: Path) -> None:
    mask = tmp_path / "rough.png"
    Image.fromarray(np.pad(np.full((10, 10), 255, np.uint8), ((5, 15), (5, 25)))).save(mask)
    assert segment([photo], prompts=PromptOptions(mask=mask), model=model, output=tmp_path / "out") == 0
    assert (tmp_path / "out" / "photo.mask1.png").exists()


def test_a_mask_of_another_size_is_named(
    photo: Path, model: ModelOptions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = tmp_path / "rough.png"
    Image.new("L", (7, 9), 255).save(mask)
    assert segment([photo], prompts=PromptOptions(mask=mask), model=model, output=tmp_path / "out") == 1
    assert str(photo) in capsys.readouterr().err


def test_broken_pictures_are_named_at_the_end_and_the_rest_done(
    photo: Path, model: ModelOptions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photo.parent / "a-text.jpg").write_text("not a picture")
    truncated = photo.parent / "b-truncated.png"
    truncated.write_bytes(photo.read_bytes()[:300])
    shutil.copy(photo, photo.parent / "z.png")
    missing = tmp_path / "missing.png"
    out = tmp_path / "out"
    assert segment([photo.parent, missing], prompts=TWO_BOXES, model=model, output=out) == 1

    assert {path.name for path in out.glob("*.mask1.png")} == {"photo.mask1.png", "z.mask1.png"}
    merged = json.loads((out / "coco.json").read_text())
    assert [image["file_name"] for image in merged["images"]] == [str(photo), str(photo.parent / "z.png")]
    assert len({annotation["id"] for annotation in merged["annotations"]}) == len(merged["annotations"])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    for name, line in zip(("a-text.jpg", "b-truncated.png", "missing.png"), lines, strict=False):
        assert name in line
    assert "3 failed, 2 of 5" in lines[-1]


def test_one_stem_from_two_folders(photo: Path, model: ModelOptions, tmp_path: Path) -> None:
    other = tmp_path / "other" / "photo.png"
    other.parent.mkdir()
    Image.new("RGB", (20, 10), "red").save(other)
    out = tmp_path / "out"
    assert segment([photo, other], prompts=PromptOptions(point=POINT.point * 2), model=model, output=out) == 0
    assert read_mask_png(out / "in-photo-png.mask1.png").shape == (30, 40)
    assert read_mask_png(out / "other-photo-png.mask1.png").shape == (10, 20)


def test_masks_of_an_earlier_run_do_not_stay_beside_the_new_ones(
    photo: Path, model: ModelOptions, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert segment([photo], prompts=POINT, model=model, output=out) == 0
    assert segment([photo], prompts=POINT, model=model, masks=MaskOptions(multimask=False), output=out) == 0
    assert {path.name for path in out.glob("*.png")} == {"photo.mask1.png"}


def test_an_output_that_is_a_file(photo: Path, model: ModelOptions, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        segment([photo], prompts=POINT, model=model, output=tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"
