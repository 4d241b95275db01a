"""What writers of all formats share: they stream, and their files come to be all at once or not at all.

Everything is written into a hidden folder inside the one it is for, and takes its place when the writer is closed. So
a disk that is full, a picture that does not fit or a key pressed leave what was there before as it was, and nothing
half-written looks whole.
"""

import shutil
from abc import ABC, abstractmethod
from contextlib import ExitStack, suppress
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import ClassVar, TextIO
from uuid import uuid4

from masklet.io.formats.picture import AnnotatedPicture, VideoInfo


class AnnotationWriter(ABC):
    """Takes pictures one by one, into `folder`, which is made if it is not there.

    A context manager: leaving closes it, leaving by an error discards what it has. A format says in `_add` what becomes
    of a picture and in `_finish` what comes last, by files that `_stage` and `_open` give. Of the pictures only the
    names are kept in memory, so that no two go to one file. OSError, naming the folder, where nothing can be written.
    """

    by_stem: ClassVar[bool] = False
    """Whether cup.jpg and cup.png would go to one file."""

    def __init__(self, folder: str | Path, *, video: VideoInfo | None = None) -> None:
        self.folder = Path(folder)
        self.video = video
        self._written: dict[str, str] = {}
        self._files = ExitStack()
        self._closed = False
        self._staging = self.folder / f".{uuid4().hex[:12]}"
        try:
            self._staging.mkdir(parents=True)
        except OSError as error:
            raise type(error)(
                f"{self.folder} cannot be written to ({error.strerror}): name another folder for the annotations"
            ) from error

    @property
    def num_pictures(self) -> int:
        """How many pictures were written so far."""
        return len(self._written)

    @abstractmethod
    def _add(self, picture: AnnotatedPicture) -> None:
        """Write what the format has of a picture."""

    def _finish(self) -> None:  # noqa: B027 (most formats have nothing to add)
        """Write what comes last: the end of a single file, the names of labels."""

    def write(self, picture: AnnotatedPicture) -> None:
        """Add a picture. ValueError for one that the format cannot hold, or whose file is taken by another.

        After any other error, as of a full disk, all is discarded: what was half written cannot be gone on with.
        """
        if self._closed:
            raise ValueError(f"the writer to {self.folder} was closed: open another to write {picture.name}")
        target = picture_stem(picture.name) if self.by_stem else picture.name
        if target in self._written:
            raise ValueError(
                f"{self._written[target]} and {picture.name} would be written to one place, {target}, in "
                f"{self.folder}: rename one, or put them into folders of their own"
            )
        try:
            self._add(picture)
        except ValueError:  # formats find out what they cannot hold before they write
            raise
        except BaseException:
            self.discard()
            raise
        self._written[target] = picture.name

    def close(self) -> None:
        """Put the files in their place, over those that were there. Does nothing the second time."""
        if self._closed:
            return
        self._closed = True
        try:
            self._finish()
            self._files.close()
            self._place()
        finally:
            self._clean_up()

    def discard(self) -> None:
        """Remove what was written; files that were there before stay as they are. After `close` it does nothing."""
        if not self._closed:
            self._closed = True
            self._clean_up()

    def __enter__(self):  # of each writer, itself
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()

    def _stage(self, name: str) -> Path:
        """Where to write the file that will be `name` in the folder; its own folder is made."""
        path = self._staging / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _open(self, name: str) -> TextIO:
        """The text file that will be `name` in the folder, open for writing until the end."""
        return self._files.enter_context(self._stage(name).open("w", encoding="utf-8", newline="\n"))

    def _place(self) -> None:
        for file in sorted(self._staging.rglob("*")):
            if file.is_file():
                target = self.folder / file.relative_to(self._staging)
                target.parent.mkdir(parents=True, exist_ok=True)
                file.replace(target)

    def _clean_up(self) -> None:
        # What went wrong first is what has to be known: a disk that is full fails once more here.
        with suppress(OSError):
            self._files.close()
        shutil.rmtree(self._staging, ignore_errors=True)


def picture_stem(name: str) -> str:
    """A picture's name without its extension: a/cup of a/cup.jpg."""
    return str(PurePosixPath(name).with_suffix(""))
