import cv2
import numpy as np
import pytest
import torch

from masklet.ops.masks import (
    check_areas,
    clean_logits,
    fill_holes,
    innermost,
    innermost_point,
    mask_iou,
    mask_to_logits,
    resize_logits,
    stability_score,
    suppress_overlaps,
)


def logits_of(*rows: str) -> torch.Tensor:
    """A picture of a mask: # inside (2.0), anything else outside (-3.0)."""
    return torch.tensor([[2.0 if c == "#" else -3.0 for c in row] for row in rows])


RING = logits_of(
    "........",
    ".####...",
    ".#..#...",
    ".#.##...",
    ".###..#.",
    ".......#",
)


def test_fill_holes_fills_up_to_the_area():
    filled = clean_logits(RING, 3, 0)
    assert filled[2, 2] == filled[2, 3] == filled[3, 2] == 10
    assert (filled != RING).sum() == 3
    assert torch.equal(clean_logits(RING, 2, 0), RING)


def test_fill_holes_joins_background_across_corners():
    leaking = logits_of("###..", "#.#..", "##...", ".....")
    assert torch.equal(clean_logits(leaking, 1, 0), leaking)  # (1, 1) meets (2, 2) at a corner


def test_fill_holes_uses_the_threshold():
    logits = torch.full((5, 5), 2.0)
    logits[2, 2] = 1.0
    assert torch.equal(clean_logits(logits, 1, 0, threshold=0.5), logits)
    assert clean_logits(logits, 1, 0, threshold=1.0)[2, 2] == 11.0  # the threshold itself is outside


def test_remove_sprinkles_joins_foreground_across_corners():
    assert torch.equal(clean_logits(RING, 0, 1), RING)
    cleaned = clean_logits(RING, 0, 2, threshold=1.0)
    assert cleaned[4, 6] == cleaned[5, 7] == -9
    assert (cleaned != RING).sum() == 2


def test_nothing_is_cleaned_for_area_zero():
    assert torch.equal(clean_logits(RING, 0, 0), RING)
    assert torch.equal(clean_logits(RING, 0, 0), RING)


def test_sprinkles_are_judged_on_the_original_logits():
    # The gap is a hole of 6 pixels; once filled, all is one component of 9, yet the specks were small before.
    logits = logits_of("#.#", "...", ".#.")
    cleaned = clean_logits(logits, max_hole_area=6, max_sprinkle_area=1)
    assert torch.equal(cleaned, torch.where(logits > 0, -10.0, 10.0))
    assert (clean_logits(clean_logits(logits, 6, 0), 0, 1) > 0).all()


def test_the_largest_part_stays_on_request():
    logits = torch.stack(
        [RING, logits_of("........", ".##.....", "........", "....#...", "........", "#......."), -RING]
    )
    cleaned = clean_logits(logits, 0, 12, keep_largest=True)
    assert (cleaned > 0).flatten(1).sum(1).tolist() == [12, 2, 31]  # the last is all that is outside the ring
    assert (clean_logits(logits, 0, 12) > 0).flatten(1).sum(1).tolist() == [0, 0, 31]
    assert not (clean_logits(torch.full((4, 4), -1.0), 0, 9, keep_largest=True) > 0).any()


def test_cleaning_leaves_the_input_and_its_dtype():
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        logits = RING.to(dtype)
        before = logits.clone()
        assert clean_logits(logits, 3, 2).dtype == dtype
        assert torch.equal(logits, before)


def test_cleaning_a_batch_equals_cleaning_one_by_one():
    logits = torch.randn(3, 2, 24, 31, generator=torch.Generator().manual_seed(0))
    together = clean_logits(logits, 4, 3, 0.2)
    for i in range(3):
        for j in range(2):
            assert torch.equal(together[i, j], clean_logits(logits[i, j], 4, 3, 0.2))
    assert not torch.equal(together, logits)
    assert clean_logits(logits[:0], 4, 3).shape == (0, 2, 24, 31)


def test_cleaning_agrees_with_a_flood_fill():
    logits = torch.randn(20, 20, generator=torch.Generator().manual_seed(1))
    outside = (logits <= 0).numpy()
    expected = logits.clone()
    for y, x in np.argwhere(outside):
        picture = outside.astype(np.uint8)
        area, *_ = cv2.floodFill(picture, None, (int(x), int(y)), 2, flags=8)
        if area <= 3:
            expected[y, x] = 10
    assert torch.equal(clean_logits(logits, 3, 0), expected)


@pytest.mark.parametrize("wrong", [-0.5, float("nan")])
def test_an_area_that_makes_no_sense_is_named(wrong):
    check_areas(holes=0, specks=1.5, more=None)
    with pytest.raises(ValueError, match=f"specks is {wrong}, but an area cannot be negative"):
        check_areas(holes=3, specks=wrong)


def test_holes_of_a_video_are_filled_up_to_the_area():
    """Unlike in a picture, to just above 0."""
    before = RING.clone()
    filled = fill_holes(RING, 3)
    assert filled[2, 2] == filled[2, 3] == filled[3, 2] == torch.tensor(0.1)
    assert (filled != RING).sum() == 3
    assert torch.equal(RING, before)
    assert torch.equal(fill_holes(RING, 2), RING)
    assert torch.equal(fill_holes(RING, 0), RING)
    assert fill_holes(torch.zeros(1, 1), 1) == torch.tensor(0.1)  # 0 itself is outside


def test_holes_of_each_object_are_filled_on_their_own():
    logits = torch.stack((RING, -RING))[:, None]
    filled = fill_holes(logits, 3)
    assert torch.equal(filled[0, 0], fill_holes(RING, 3))
    assert torch.equal(filled[1, 0], fill_holes(-RING, 3))
    assert (filled[1, 0] != -RING).sum() == 2  # the speck, which is a hole of the negative


def test_where_objects_overlap_the_strongest_wins():
    logits = torch.tensor([[[5.0, 1.0, -3.0, -20.0]], [[4.0, 2.0, -2.0, -30.0]], [[-1.0, 3.0, -4.0, -40.0]]])
    before = logits.clone()
    alone = suppress_overlaps(logits)
    assert alone[0, 0].tolist() == [5, -10, -10, -20]
    assert alone[1, 0].tolist() == [-10, -10, -2, -30]
    assert alone[2, 0].tolist() == [-10, 3, -10, -40]
    assert torch.equal(logits, before)


def test_one_object_overlaps_nothing():
    logits = torch.tensor([[[5.0, -3.0]]])
    assert torch.equal(suppress_overlaps(logits), logits)
    assert suppress_overlaps(torch.zeros(0, 2, 3)).shape == (0, 2, 3)


@pytest.mark.parametrize("seed", range(3))
def test_a_pixel_is_inside_one_object_at_most(seed):
    logits = torch.randn(5, 9, 7, generator=torch.Generator().manual_seed(seed)) * 8
    alone = suppress_overlaps(logits)
    assert torch.equal((alone > 0).sum(0), (logits > 0).any(0).long())
    assert torch.equal(alone.amax(0), logits.amax(0))
    assert torch.equal(alone.argmax(0), logits.argmax(0))
    assert (alone <= logits).all()


def test_resize_logits_keeps_pixel_centres():
    logits = torch.tensor([[[[0.0, 4.0]]]])
    assert resize_logits(logits, (1, 4)).flatten().tolist() == [0, 1, 3, 4]
    assert resize_logits(torch.zeros(2, 3, 8, 8), (5, 7)).shape == (2, 3, 5, 7)


def test_mask_to_logits_is_exact_at_the_same_size():
    mask = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)) > 0.5
    assert torch.equal(mask_to_logits(mask, 16), mask.float() * 20 - 10)


def test_mask_to_logits_measures_coverage():
    mask = torch.zeros(40, 80, dtype=torch.bool)
    mask[:, :40] = True
    logits = mask_to_logits(mask, 8)
    assert logits.shape == (8, 8)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits[:, :3], torch.full((8, 3), 10.0))
    torch.testing.assert_close(logits[:, 5:], torch.full((8, 3), -10.0))
    torch.testing.assert_close(logits[:, 3], -logits[:, 4])  # the edge lies between the two
    torch.testing.assert_close(mask_to_logits(torch.ones(1, 1, dtype=torch.uint8), 4), torch.full((4, 4), 10.0))
    assert mask_to_logits(torch.ones(0, 5, 5), 4).shape == (0, 4, 4)
    with pytest.raises(ValueError, match=r"\(0, 5\) has no pixels"):
        mask_to_logits(torch.zeros(0, 5), 4)


def test_stability_score():
    logits = torch.tensor([[[-3.0, -0.5, 0.5, 3.0]], [[5.0, 5.0, 5.0, -5.0]], [[-9.0, -9.0, -9.0, -9.0]]])
    torch.testing.assert_close(stability_score(logits, 1.0), torch.tensor([1 / 3, 1.0, 0.0]))
    torch.testing.assert_close(stability_score(logits, 1.0, empty=1.0)[2], torch.tensor(1.0))
    assert stability_score(logits, 1.0, empty=float("nan"))[2].isnan()
    torch.testing.assert_close(stability_score(logits, 0.1, mask_threshold=4.0), torch.tensor([0.0, 1.0, 0.0]))


def test_mask_iou_of_arrays_and_tensors():
    a = np.zeros((2, 4, 4), dtype=bool)
    b = np.zeros((4, 4), dtype=bool)
    a[0, :2] = True
    b[1:3] = True
    np.testing.assert_allclose(mask_iou(a, b), [1 / 3, 0])
    torch.testing.assert_close(mask_iou(torch.from_numpy(a), torch.from_numpy(b)), torch.tensor([1 / 3, 0]))
    assert mask_iou(~b | b, b & ~b) == 0
    assert mask_iou(b & ~b, b & ~b) == 1
    assert mask_iou(torch.zeros(2, 2, dtype=torch.bool), torch.zeros(2, 2, dtype=torch.bool)) == 1
    assert mask_iou(a, b).dtype == np.float32


def test_mask_iou_refuses_what_is_no_mask():
    mask = np.zeros((4, 4), dtype=bool)
    with pytest.raises(ValueError, match="must be boolean, not float32"):
        mask_iou(mask.astype(np.float32), mask)
    with pytest.raises(ValueError, match=r"must be boolean, not torch\.uint8"):
        mask_iou(torch.zeros(4, 4, dtype=torch.uint8), torch.from_numpy(mask))
    with pytest.raises(ValueError, match=r"\(4, 4\) and \(4, 5\)"):
        mask_iou(mask, np.zeros((4, 5), dtype=bool))


def test_innermost_point():
    mask = np.zeros((9, 12), dtype=bool)
    mask[2:7, 4:9] = True
    assert innermost(mask) == (3, (6, 4))
    assert innermost(np.zeros((3, 3), dtype=bool))[0] == 0
    assert innermost_point(mask) == (6, 4)
    assert innermost_point(np.ones((7, 7), dtype=bool)) == (3, 3)  # the border is outside
    assert innermost_point(np.ones((1, 1), dtype=np.uint8)) == (0, 0)
    with pytest.raises(ValueError, match="empty mask"):
        innermost_point(np.zeros((3, 3), dtype=bool))
