"""Which pictures and objects are taken, whatever the format."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.training.data.pictures import MaskReader, PictureClips, PictureConfig

SIZE = (40, 60)


class Pictures(PictureClips[Path]):
    """Pictures whose masks are made here; counts how many."""

    def __init__(self, paths: Sequence[Path], config: PictureConfig, masks: Sequence[np.ndarray] = ()) -> None:
        super().__init__(paths, [path.stem for path in paths], Path("pictures"), config)
        self.masks = masks
        self.num_read = 0

    def locate(self, item: Path) -> tuple[Path, Path]:
        return item, item.with_suffix(".masks")

    def open(self, item: Path, size: tuple[int, int]) -> Sequence[MaskReader]:
        def read(mask: np.ndarray) -> np.ndarray:
            self.num_read += 1
            return mask

        return [lambda mask=mask: read(mask) for mask in self.masks]

    @property
    def names(self) -> list[str]:
        return [self.locate(item)[0].name for item in self._items]


def bars(*widths: int) -> list[np.ndarray]:
    """Masks of bars so many pixels wide, at the left border."""
    return [np.broadcast_to(np.arange(SIZE[1]) < width, SIZE) for width in widths]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def widths(clip) -> list[int]:
    return [int(mask.sum()) // SIZE[0] for mask in clip.masks[0]]


def test_a_clip_is_the_picture_repeated(picture: Path) -> None:
    clip = Pictures([picture], PictureConfig(num_frames=3), bars(5, 9)).draw(0, np.random.default_rng(0))
    assert clip.frames.shape == (3, *SIZE, 3)
    assert clip.masks.shape == (3, 2, *SIZE)
    assert (clip.frames == np.asarray(Image.open(picture))).all()
    assert (clip.masks == clip.masks[0]).all()


def test_some_of_many_objects_are_read_and_no_others(picture: Path) -> None:
    source = Pictures([picture], PictureConfig(max_objects=2), bars(*range(1, 21)))
    counts = np.zeros(21)
    for seed in range(200):
        found = widths(source.draw(0, np.random.default_rng(seed)))
        assert len(set(found)) == 2
        counts[found] += 1
        assert found == widths(source.draw(0, np.random.default_rng(seed)))
    assert source.num_read == 800
    assert counts[1:].min() >= 7, "each comes up, 20 times on average"


def test_objects_are_chosen_by_area(picture: Path) -> None:
    config = PictureConfig(min_area=0.1, max_area=0.5)
    source = Pictures([picture], config, bars(0, 5, 6, 30, 31, 60))
    assert sorted(widths(source.draw(0, np.random.default_rng(0)))) == [6, 30]
    with pytest.raises(ValueError, match=r"a\.masks has no object .* none is of 10.00% to 50.00% of .*a\.png"):
        Pictures([picture], config, bars(0, 5)).draw(0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="no object to learn from"):
        Pictures([picture], PictureConfig(), bars(0)).draw(0, np.random.default_rng(0))


def test_a_mask_of_another_size_is_refused(picture: Path) -> None:
    source = Pictures([picture], PictureConfig(), [np.ones(SIZE[::-1], bool)])
    with pytest.raises(ValueError, match=r"a\.masks has a mask of 40 x 60 pixels, but .*a\.png is 60 x 40"):
        source.draw(0, np.random.default_rng(0))


@pytest.mark.parametrize("orientation", [1, 6])
def test_large_jpegs_are_read_smaller_with_their_masks(tmp_path: Path, orientation: int) -> None:
    size = (400, 640)
    mask = np.zeros(size, bool)
    mask[100:300, 200:500] = True
    thin = np.zeros(size, bool)
    thin[11, 13] = True
    pixels = np.where(mask[..., None], np.uint8(255), np.uint8(0)).repeat(3, -1)
    stored = np.ascontiguousarray(np.rot90(pixels)) if orientation == 6 else pixels
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "a.jpg", exif=exif)
    for read_size, expected in ((None, size), (250, size), (200, (200, 320)), (64, (100, 160))):
        source = Pictures([tmp_path / "a.jpg"], PictureConfig(read_size=read_size), [mask, thin])
        clip = source.draw(0, np.random.default_rng(0))
        assert clip.frames.shape == (1, *expected, 3)
        large, small = sorted(clip.masks[0], key=np.sum, reverse=True)
        assert ((clip.frames[0, ..., 0] > 127) == large).mean() > 0.99
        assert large.mean() == pytest.approx(mask.mean(), rel=0.02)
        (place,) = np.argwhere(small)
        assert tuple(place) == (11 * expected[0] // 400, 13 * expected[0] // 400)


def test_lists_choose_pictures(tmp_path: Path) -> None:
    paths = [Path(f"{name}.jpg") for name in ("a", "b", "c.d", "e")]
    include, exclude = tmp_path / "in.txt", tmp_path / "out.txt"
    include.write_text("a.jpg\nc.d\nb\n\n")
    exclude.write_text("b.png\n")
    assert Pictures(paths, PictureConfig(include=include)).names == ["a.jpg", "b.jpg", "c.d.jpg"]
    assert Pictures(paths, PictureConfig(exclude=exclude)).names == ["a.jpg", "c.d.jpg", "e.jpg"]
    assert Pictures(paths, PictureConfig(include=include, exclude=exclude)).names == ["a.jpg", "c.d.jpg"]
    with pytest.raises(ValueError, match=r"in\.txt names pictures that pictures has not: c\.d$"):
        Pictures([paths[0], paths[1]], PictureConfig(include=include))
    with pytest.raises(FileNotFoundError, match=r"no list of pictures .*none\.txt"):
        Pictures(paths, PictureConfig(include=tmp_path / "none.txt"))


def test_the_parts_are_all_and_do_not_overlap() -> None:
    paths = [Path(f"{index}.jpg") for index in range(100)]
    train, held_out = (Pictures(paths, PictureConfig(held_out=0.2, part=part)).names for part in ("train", "held_out"))
    assert sorted(train + held_out) == sorted(path.name for path in paths)
    assert 10 < len(held_out) < 30


def test_a_source_without_pictures_says_so() -> None:
    with pytest.raises(ValueError, match="pictures has no pictures with masks"):
        Pictures([], PictureConfig())
    with pytest.raises(ValueError, match=r"of the 1 pictures .* none is left to hold out: held_out is 0.0"):
        Pictures([Path("a.jpg")], PictureConfig(held_out=0.0, part="held_out"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_frames": 0}, "num_frames is 0"),
        ({"max_objects": 0}, "max_objects is 0"),
        ({"min_area": 0.5, "max_area": 0.1}, r"are 0\.5 and 0\.1"),
        ({"max_area": 50}, "shares of the picture"),
        ({"read_size": 0}, "read_size is 0"),
        ({"held_out": 1.0}, "below 1"),
        ({"part": "val"}, "part is 'val', but the parts are train and held_out"),
    ],
)
def test_values_that_make_no_sense(values, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PictureConfig(**values)
