import numpy as np

from masklet.ops.mask_record import MaskRecord
from masklet.ops.rle import encode_rle


def test_the_mask_of_a_record_is_decoded():
    mask = np.zeros((4, 6), bool)
    mask[1:3, 2:5] = True
    record = MaskRecord(
        rle=encode_rle(mask),
        area=6,
        box=(2, 1, 3, 2),
        predicted_iou=0.5,
        stability_score=1.0,
        point=(3.5, 1.5),
        crop_box=(0, 0, 6, 4),
    )
    np.testing.assert_array_equal(record.mask, mask)
