"""The original's video predictor, call by call, on stand-in weights: masks, object scores and pointers."""

import numpy as np
import pytest

from masklet.compat.sam2 import build_sam2_video_predictor

LOGIT_TOLERANCE = 4e-3
"""Absolute plus relative, where the goldens are stored in float16."""

TOLERANCE = 1e-3
"""Of object scores and pointers, absolute plus relative."""

CONFIG_FILES = {
    "sam2.1_hiera_tiny": "configs/sam2.1/sam2.1_hiera_t.yaml",
    "sam2_hiera_tiny": "configs/sam2/sam2_hiera_t.yaml",
}


def scores_and_pointers(state: dict) -> dict[str, np.ndarray]:
    """What the goldens hold of an object on a frame: its score, and every fourth element of its pointer."""
    found = {}
    for number, known in enumerate(state["tracker"].objects.values()):
        for frame, result in known.results.items():
            found[f"forward.score.obj{number}.f{frame:02d}"] = np.array([result.object_score])
            found[f"forward.ptr.obj{number}.f{frame:02d}"] = known.bank.pointers[frame].numpy()[::4]
    return found


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the scenario leaves a picture open
@pytest.mark.parametrize("variant", ["sam2.1_hiera_tiny", pytest.param("sam2_hiera_tiny", marks=pytest.mark.slow)])
def test_video_scenario(variant, shared, standin, goldens, scenario):
    """`scenario.video`, unchanged, gives the original's numbers."""
    golden = goldens(variant, 256, kind="video")
    checkpoint = standin(variant, 0, float(golden.pop("object_score_shift")))
    overrides = ["++model.image_size=256", "++model.fill_hole_area=0"]
    predictor = build_sam2_video_predictor(
        CONFIG_FILES[variant], checkpoint, device="cpu", hydra_overrides_extra=overrides
    )
    folder, names, size = scenario.frames_folder(shared / "parity" / "frames", 1)
    assert names == list(golden.pop("frames"))

    found = scenario.video(predictor, folder, size, scores_and_pointers)
    assert set(found) == set(golden)
    assert any(value < 0 for key, value in golden.items() if ".score." in key), "some object is to be absent"
    for key, value in found.items():
        expected = golden[key]
        if key.endswith("ids"):
            assert list(value) == list(expected), key
        elif ".score." in key or ".ptr." in key:
            np.testing.assert_allclose(value, expected, atol=TOLERANCE, rtol=TOLERANCE, err_msg=key)
        else:
            wide = value.astype(np.float64), expected.astype(np.float64)
            np.testing.assert_allclose(*wide, atol=LOGIT_TOLERANCE, rtol=LOGIT_TOLERANCE, err_msg=key)
            ours, theirs = value > 0, expected > 0
            assert (ours & theirs).sum() >= 0.999 * (ours | theirs).sum(), key
