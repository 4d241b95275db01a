"""What a trained model thinks belongs together."""

import numpy as np
import pytest

from masklet.io.images import read_image
from masklet.training.scenes.opinions import DIMENSIONS, ModelOpinion


@pytest.fixture(scope="module")
def opinion() -> ModelOpinion:
    return ModelOpinion("nano", image_size=128)


def test_parts_of_a_disc_are_nearer_to_each_other_than_to_the_ground(opinion: ModelOpinion) -> None:
    rows, columns = np.mgrid[:160, :160]
    disc = np.hypot(rows - 80, columns - 80) < 40
    rgb = np.where(disc[..., None], (190, 60, 40), (90, 150, 90)).astype(np.uint8)
    # Superpixels: the quarters of the disc, then those of the ground.
    labels = (rows >= 80) * 2 + (columns >= 80) + 4 * ~disc
    places = opinion(rgb, labels)
    assert places.shape[0] == 8
    assert places.shape[1] <= DIMENSIONS
    within = max(np.linalg.norm(places[a] - places[b]) for a in range(4) for b in range(4))
    across = min(np.linalg.norm(places[a] - places[b]) for a in range(4) for b in range(4, 8))
    assert within < across
    np.testing.assert_allclose(places.mean(0), 0, atol=1e-3)


def test_it_does_not_depend_on_how_superpixels_are_numbered(opinion: ModelOpinion) -> None:
    rgb = read_image("examples/media/coffee.jpg")[:128, :192]
    labels = np.add.outer(np.arange(128) // 32 * 6, np.arange(192) // 32)
    order = np.random.default_rng(0).permutation(24)
    plain, shuffled = opinion(rgb, labels), opinion(rgb, order[labels])

    def distances(places: np.ndarray) -> np.ndarray:
        return np.linalg.norm(places[:, None] - places[None], axis=-1)

    np.testing.assert_allclose(distances(shuffled)[np.ix_(order, order)], distances(plain), atol=1e-3)
