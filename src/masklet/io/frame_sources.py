"""Pictures as the frames of a video: a list or an array of them in any order, or any iterable of them as it comes."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from masklet.io.images import ImageLike, list_images, read_image


class PictureFrames:
    """Pictures as a `FrameSource`, each read when it is asked for; all must be of the size of the first.

    pictures: a list, or an array or tensor with one picture a row. `name`: what errors call it. ValueError for none at
    all, and, naming the frame and its file, for one that cannot be read or is of another size; others still can.
    """

    def __init__(self, pictures: Sequence[ImageLike] | np.ndarray | Tensor, name: str = "the video"):
        if len(pictures) == 0:
            raise ValueError(f"{name} has no frames: at least one is needed")
        self._pictures: Sequence[ImageLike] | np.ndarray | Tensor | None = pictures
        self._length = len(pictures)
        self._first: np.ndarray | None = _read(pictures[0], 0, self._length)
        self.frame_size: tuple[int, int] = (self._first.shape[0], self._first.shape[1])

    @classmethod
    def of_folder(cls, folder: str | Path) -> "PictureFrames":
        """The pictures of a folder in natural order. FileNotFoundError or NotADirectoryError if it is none."""
        paths = list_images(folder)
        if not paths:
            raise ValueError(f"{folder} has no pictures in it: give a folder of JPEG, PNG or other image files")
        return cls(paths, str(folder))

    @property
    def names(self) -> list[str] | None:
        """The files' names without extensions; None where some pictures are no files."""
        if not isinstance(self._pictures, list | tuple):
            return None
        paths = [Path(picture) for picture in self._pictures if isinstance(picture, str | Path)]
        return [path.stem for path in paths] if len(paths) == self._length else None

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        """One frame, which may share memory with what was given; negative indices count from the end."""
        if not -self._length <= index < self._length:
            raise IndexError(f"there is no frame {index}: the video has frames 0 to {self._length - 1}")
        if self._pictures is None:
            raise ValueError(f"the video was closed: open it again to read frame {index}")
        index = int(index) % self._length
        if index == 0 and self._first is not None:
            # It was read for its size; it is not kept for good.
            frame, self._first = self._first, None
            return frame
        frame = _read(self._pictures[index], index, self._length)
        if frame.shape[:2] != self.frame_size:
            picture = self._pictures[index]
            where = f" ({picture})" if isinstance(picture, str | Path) else ""
            raise ValueError(_other_size(f"frame {index} of {self._length}{where}", frame, self.frame_size))
        return frame

    def close(self) -> None:
        """Let go of the pictures."""
        self._pictures = self._first = None


class PictureStream:
    """Any iterable of pictures as a `FrameStream`. Each is read when it is asked for, and no further one is taken.

    A picture that cannot be read, or is of another size than the first, is a ValueError that names its frame; the
    stream goes on after it. What the iterable itself raises passes unchanged.
    """

    def __init__(self, pictures: Iterable[ImageLike]):
        self._pictures: Iterator[ImageLike] = iter(pictures)
        self._count = 0
        self._size: tuple[int, int] | None = None
        self._closed = False

    def __iter__(self) -> "PictureStream":
        return self

    def __next__(self) -> UInt8[np.ndarray, "H W 3"]:
        if self._closed:
            raise StopIteration
        picture = next(self._pictures)
        number, self._count = self._count, self._count + 1
        frame = _read(picture, number, None)
        size = (frame.shape[0], frame.shape[1])
        if self._size is None:
            self._size = size
        if size != self._size:
            raise ValueError(_other_size(f"frame {number}", frame, self._size))
        return frame

    def close(self) -> None:
        """Close the iterable too, if it can be closed, as a generator can."""
        self._closed = True
        close = getattr(self._pictures, "close", None)
        if close is not None:
            close()


def _read(picture: ImageLike, number: int, length: int | None) -> np.ndarray:
    frame = f"frame {number}" if length is None else f"frame {number} of {length}"
    try:
        return read_image(picture)
    except TypeError as error:
        raise TypeError(f"{frame}: {error}") from error
    except (ValueError, OSError) as error:
        raise ValueError(f"{frame} cannot be read: {error}") from error


def _other_size(what: str, frame: np.ndarray, size: tuple[int, int]) -> str:
    return (
        f"{what} is {frame.shape[1]} x {frame.shape[0]} pixels, but those before are {size[1]} x {size[0]}: "
        "all frames of a video must be of one size"
    )
