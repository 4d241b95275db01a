"""Colours are told apart, by people without red, green or blue cones too, and belong to ids."""

import numpy as np
import pytest

from masklet.io.colours import PALETTE, is_light, object_colour

SIGHT = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
"""What becomes of linear sRGB in the eye: Machado, Oliveira and Fernandes (2009), severity 1."""

SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)


def to_lab(colours: list[tuple[int, int, int]], sight: str) -> np.ndarray:
    """CIELAB (N, 3) of 8-bit sRGB, as it is seen."""
    encoded = np.array(colours) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(SIGHT[sight]).T, 0, 1)
    xyz = seen @ SRGB_TO_XYZ.T / SRGB_TO_XYZ.sum(1)
    x, y, z = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def ciede2000(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Difference of colours in CIELAB; from about 2 on it is seen, at 10 at a glance. After Sharma et al. (2005)."""
    chroma = (np.hypot(*one.T[1:]) + np.hypot(*other.T[1:])) / 2
    stretch = 1.5 - 0.5 * np.sqrt(chroma**7 / (chroma**7 + 25**7))
    (l1, c1, h1), (l2, c2, h2) = (
        (light, np.hypot(stretch * a, b), np.degrees(np.arctan2(b, stretch * a)) % 360)
        for light, a, b in (one.T, other.T)
    )
    turn = (h2 - h1 + 180) % 360 - 180
    dl, dc, dh = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    lightness, chroma, hue = (l1 + l2) / 2, (c1 + c2) / 2, h1 + turn / 2
    t = 1 + sum(
        weight * np.cos(np.radians(times * hue + shift))
        for weight, times, shift in ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.2, 4, -63))
    )
    dl /= 1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2)
    dc /= 1 + 0.045 * chroma
    dh /= 1 + 0.015 * chroma * t
    bend = np.sin(np.radians(60 * np.exp(-(((((hue - 275) % 360 + 180) % 360 - 180) / 25) ** 2))))
    blue = -2 * np.sqrt(chroma**7 / (chroma**7 + 25**7)) * bend
    return np.sqrt(dl**2 + dc**2 + dh**2 + blue * dc * dh)


def differences(count: int, sight: str) -> np.ndarray:
    """Between each two of the first colours, (N, N)."""
    lab = to_lab([object_colour(i) for i in range(count)], sight)
    return ciede2000(np.repeat(lab, count, 0), np.tile(lab, (count, 1))).reshape(count, count)


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.694), (23.0331, 14.973, -42.5619), 2.0373),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_differences_are_measured_as_published(one: tuple, other: tuple, difference: float):
    assert ciede2000(np.array([one]), np.array([other]))[0] == pytest.approx(difference, abs=1e-3)


@pytest.mark.parametrize("sight", SIGHT)
def test_all_of_the_palette_differ_whatever_cones_are_missing(sight: str):
    apart = differences(len(PALETTE), sight) + 100 * np.eye(len(PALETTE))
    assert apart[:8, :8].min() > 13
    assert apart.min() > 12
    assert np.diag(apart, 1).min() > 20


@pytest.mark.parametrize("sight", SIGHT)
def test_neighbours_differ_beyond_the_palette(sight: str):
    lab = to_lab([object_colour(i) for i in range(2000)], sight)
    assert ciede2000(lab[:-1], lab[1:]).min() > 15


def test_colours_belong_to_ids():
    assert [object_colour(i) for i in range(len(PALETTE))] == list(PALETTE)
    assert object_colour(137) == object_colour(137) == (2, 112, 168)
    assert len({object_colour(i) for i in range(500)}) > 490
    for odd in (-7, 10**9, np.int64(40)):
        assert all(0 <= value <= 255 for value in object_colour(odd))


def test_letters_are_dark_on_light_colours():
    assert is_light((240, 228, 66))
    assert not is_light((49, 38, 253))
