import errno
from pathlib import Path

import pytest

from masklet.io.formats.picture import AnnotatedPicture
from masklet.io.formats.writer import AnnotationWriter, picture_stem


class Names(AnnotationWriter):
    """A format of names: a file a picture, and a list of them all."""

    by_stem = True
    full = False

    def _add(self, picture: AnnotatedPicture) -> None:
        if not self._written:
            self._list = self._open("names.txt")
        self._list.write(picture.name + "\n")
        self._stage(f"pictures/{picture_stem(picture.name)}.txt").write_text(picture.name)

    def _finish(self) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")


def picture(name: str) -> AnnotatedPicture:
    return AnnotatedPicture(name=name, height=2, width=3, objects=())


def files(folder: Path) -> dict[str, str]:
    return {file.relative_to(folder).as_posix(): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_files_come_on_closing(tmp_path: Path):
    folder = tmp_path / "new" / "annotations"
    with Names(folder) as writer:
        writer.write(picture("a/cup.jpg"))
        writer.write(picture("cup.jpg"))
        assert not (folder / "names.txt").exists()
    writer.close()
    writer.discard()
    assert files(folder) == {
        "names.txt": "a/cup.jpg\ncup.jpg\n",
        "pictures/a/cup.txt": "a/cup.jpg",
        "pictures/cup.txt": "cup.jpg",
    }
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    with pytest.raises(ValueError, match=r"closed: open another to write b\.jpg"):
        writer.write(picture("b.jpg"))


def test_what_was_there_stays_until_then(tmp_path: Path):
    (tmp_path / "names.txt").write_text("before")

    def fail() -> None:
        with Names(tmp_path) as writer:
            writer.write(picture("cup.jpg"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert files(tmp_path) == {"names.txt": "before"}
    assert list(tmp_path.iterdir()) == [tmp_path / "names.txt"]
    with Names(tmp_path) as writer:
        writer.write(picture("cup.jpg"))
    assert files(tmp_path)["names.txt"] == "cup.jpg\n"


def test_a_disk_that_is_full_at_the_end(tmp_path: Path):
    (tmp_path / "names.txt").write_text("before")
    writer = Names(tmp_path)
    writer.write(picture("cup.jpg"))
    writer.full = True
    with pytest.raises(OSError, match="No space left"):
        writer.close()
    assert files(tmp_path) == {"names.txt": "before"}
    assert list(tmp_path.iterdir()) == [tmp_path / "names.txt"]


def test_a_disk_that_is_full_at_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "names.txt").write_text("before")
    writer = Names(tmp_path)
    writer.write(picture("cup.jpg"))
    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(OSError, match="No space left"):
        writer.write(picture("jug.jpg"))
    writer.close()
    assert files(tmp_path) == {"names.txt": "before"}
    assert list(tmp_path.iterdir()) == [tmp_path / "names.txt"]


def test_two_pictures_of_one_stem(tmp_path: Path):
    with Names(tmp_path) as writer:
        writer.write(picture("a/cup.jpg"))
        writer.write(picture("b/cup.jpg"))
        with pytest.raises(ValueError, match=r"a/cup\.jpg and a/cup\.png .* a/cup,"):
            writer.write(picture("a/cup.png"))
    assert files(tmp_path)["names.txt"] == "a/cup.jpg\nb/cup.jpg\n"


def test_a_folder_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file/annotations cannot be written to .*another folder"):
        Names(tmp_path / "file" / "annotations")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(PermissionError, match=r"annotations cannot be written to \(Permission denied\)"):
        Names(tmp_path / "annotations")


@pytest.mark.parametrize(("name", "stem"), [("a/cup.jpg", "a/cup"), ("cup", "cup"), ("cup.v2.png", "cup.v2")])
def test_stems(name: str, stem: str):
    assert picture_stem(name) == stem
