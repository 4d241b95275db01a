import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from masklet.ops.regions import fill_small_holes, remove_small_islands

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.booleans())


def components(mask: np.ndarray) -> list[set[tuple[int, int]]]:
    """8-connected components by flooding."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    found = []
    while left:
        component, border = set(), [left.pop()]
        while border:
            y, x = border.pop()
            component.add((y, x))
            around = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= around
            border += around
        found.append(component)
    return found


@given(masks, st.integers(0, 8))
def test_holes_of_fewer_pixels_are_filled(mask: np.ndarray, min_area: int):
    expected = mask.copy()
    for component in components(~mask):
        if len(component) < min_area:
            expected[tuple(np.array(list(component)).T)] = True
    np.testing.assert_array_equal(fill_small_holes(mask, min_area), expected)


@given(masks, st.integers(0, 8))
def test_islands_of_fewer_pixels_go_but_the_largest(mask: np.ndarray, min_area: int):
    islands = components(mask)
    kept = [island for island in islands if len(island) >= min_area]
    found = {(int(y), int(x)) for y, x in np.argwhere(remove_small_islands(mask, min_area))}
    if kept or not islands:
        assert found == set().union(*kept)
    else:
        assert found in [island for island in islands if len(island) == max(map(len, islands))]
