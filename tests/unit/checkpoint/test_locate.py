"""From what somebody calls a model to the file of its weights."""

from pathlib import Path

import pytest

from masklet.checkpoint import registry
from masklet.checkpoint.locate import BUNDLED, bundled_file, locate


def test_the_bundled_weights_are_there() -> None:
    assert locate(BUNDLED) == bundled_file()
    assert bundled_file().is_file()


def test_a_path_is_itself(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    file.touch()
    assert locate(file) == locate(str(file)) == file


def test_names_come_before_what_lies_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    published = registry.PUBLISHED[0]
    for name in (BUNDLED, published.name):
        (tmp_path / name).touch()
    downloaded = tmp_path / "downloaded"
    monkeypatch.setattr(registry, "download", lambda known: downloaded if known == published else None)
    assert locate(BUNDLED) == bundled_file()
    assert locate(published.name) == downloaded


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("", ValueError, "the model's name is empty"),
        ("nanoo", ValueError, "no model is named 'nanoo'"),
        ("folder/weights", FileNotFoundError, "there is no file"),
        ("weights.pt", FileNotFoundError, "there is no file"),
    ],
)
def test_what_is_not_there_is_named(source: str, error: type[Exception], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        locate(source)
