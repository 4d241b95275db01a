import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from masklet.ops.coordinates import to_model_pixels


def test_axes_scale_apart():
    coords = torch.tensor([[500, 375], [1800, 1200], [0, 0]])
    scaled = to_model_pixels(coords, (1200, 1800), 1024)
    assert scaled.dtype == torch.float32
    torch.testing.assert_close(scaled, torch.tensor([[500 / 1800 * 1024, 320.0], [1024.0, 1024.0], [0.0, 0.0]]))
    assert to_model_pixels(torch.zeros(2, 3, 2, dtype=torch.float64), (7, 9), 256).shape == (2, 3, 2)


def test_an_image_without_pixels_is_refused():
    with pytest.raises(ValueError, match="height 0 and width 5"):
        to_model_pixels(torch.zeros(1, 2), (0, 5), 256)


@given(
    st.tuples(st.floats(-1e4, 3e4), st.floats(-1e4, 3e4)),
    st.tuples(st.integers(1, 20000), st.integers(1, 20000)),
    st.sampled_from([256, 512, 1024]),
)
def test_any_point_keeps_its_share_of_the_sides(point: tuple[float, float], size: tuple[int, int], side: int):
    (x, y), (height, width) = point, size
    scaled = to_model_pixels(torch.tensor([point]), size, side)
    torch.testing.assert_close(scaled, torch.tensor([[x / width * side, y / height * side]]), rtol=1e-5, atol=1e-5)
