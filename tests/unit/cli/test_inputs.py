"""Which pictures are segmented, and how their outputs are called."""

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from masklet.cli.console import UsageError
from masklet.cli.inputs import collect_images, expand_patterns, output_stems, with_name


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path)
    return path


def test_folders_are_opened_in_natural_order(tmp_path: Path) -> None:
    pictures = [picture(tmp_path / "in" / name) for name in ("a2.png", "a10.png")]
    (tmp_path / "in" / "notes.txt").write_text("not a picture")
    single = picture(tmp_path / "b.png")
    assert collect_images([single, tmp_path / "in"], tmp_path / "out") == ([single, *pictures], [])


def test_a_picture_named_twice_is_segmented_once(tmp_path: Path) -> None:
    one = picture(tmp_path / "in" / "a.png")
    again = tmp_path / "in" / ".." / "in" / "a.png"
    assert collect_images([one, again, tmp_path / "in"], tmp_path / "out") == ([one], [])


def test_missing_files_are_left_to_fail_one_by_one(tmp_path: Path) -> None:
    assert collect_images([tmp_path / "none.jpg"], tmp_path / "out") == ([tmp_path / "none.jpg"], [])


def test_empty_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    files, failures = collect_images([tmp_path / "in"], tmp_path / "out")
    assert files == []
    assert len(failures) == 1
    assert str(tmp_path / "in") in failures[0]


def test_outputs_do_not_go_among_the_inputs(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    with pytest.raises(UsageError, match="--output"):
        collect_images([tmp_path], tmp_path / "." / "x" / "..")


def test_names_that_are_no_text_are_told(tmp_path: Path) -> None:
    good, strange = picture(tmp_path / "in" / "a.png"), tmp_path / "in" / "b\udcff.png"
    try:
        strange.write_bytes(good.read_bytes())
    except (OSError, ValueError):
        pytest.skip("this system has no such names")
    files, failures = collect_images([tmp_path / "in"], tmp_path / "out")
    assert files == [good]
    assert len(failures) == 1
    assert "b\\udcff.png: this name is no UTF-8 text" in failures[0]
    failures[0].encode("utf-8")


@pytest.mark.parametrize(
    ("paths", "stems"),
    [
        ([], []),
        (["a/x.jpg", "b/y.jpg"], ["x", "y"]),
        (["a/x.jpg", "a/x.png", "a/y.png"], ["x-jpg", "x-png", "y"]),
        (["a/x.jpg", "b/x.jpg"], ["a-x-jpg", "b-x-jpg"]),
        (["/c/a/x.jpg", "/d/a/x.jpg"], ["c-a-x-jpg", "d-a-x-jpg"]),
        (["../x.jpg", "x.jpg"], ["x-jpg", "x-jpg-2"]),
        (["a/X.jpg", "b/x.jpg"], ["a-X-jpg", "b-x-jpg"]),
        (["a.b/x.tar.jpg"], ["x.tar"]),
    ],
)
def test_stems(paths: list[str], stems: list[str]) -> None:
    assert output_stems([Path(path) for path in paths]) == stems


NAMES = st.sampled_from(["a", "b", "A", "a-b", "a-jpg", "x", ".."])


@given(st.sets(st.builds(lambda parts, end: "/".join([*parts, f"x{end}"]), st.lists(NAMES, max_size=3), NAMES)))
def test_stems_differ_whatever_the_paths(paths: set[str]) -> None:
    stems = output_stems([Path(PurePosixPath(path)) for path in paths])
    assert len({stem.casefold() for stem in stems}) == len(paths)
    assert not any("/" in stem for stem in stems)


def test_patterns_find_pictures_in_natural_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a10.png", "a2.png", "b/c.jpg", "b/d/e.png", "b10/f.png", "out/a.overlay.jpg", ".hidden.png"):
        picture(tmp_path / name)
    (tmp_path / "b" / "notes.txt").write_text("not a picture")
    monkeypatch.chdir(tmp_path)
    out = Path("out")

    def found(*sources: str) -> list[str]:
        paths, failures = expand_patterns(sources, out)
        assert failures == []
        return [path.as_posix() for path in paths]

    assert found("**/*") == ["a2.png", "a10.png", "b/c.jpg", "b/d/e.png", "b10/f.png"]
    assert found("*.png") == ["a2.png", "a10.png"]
    assert found("b*/[cf].*", "a2.png", "b") == ["b/c.jpg", "b10/f.png", "a2.png", "b"]
    assert found(f"{tmp_path}/a?.png") == [(tmp_path / "a2.png").as_posix()]
    assert expand_patterns(["b/*.png", "none.jpg"], out) == ([Path("none.jpg")], ["b/*.png: no pictures match this"])


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path: Path) -> None:
    path = picture(tmp_path / "a[1].png")
    assert expand_patterns([str(path)], tmp_path / "out") == ([path], [])


def test_a_pattern_of_pictures_that_lie_where_is_written_says_so(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    paths, failures = expand_patterns([f"{tmp_path}/*.png", f"{tmp_path}/*.gif"], tmp_path)
    assert paths == []
    assert failures[0].endswith("all that match lie in the folder that is written to: give another as --output")
    assert failures[1].endswith("no pictures match this")


def test_what_is_said_of_a_picture_names_it_once():
    path = Path("a/b.jpg")
    assert with_name(path, ValueError("it is empty")) == "a/b.jpg: it is empty"
    assert with_name(path, ValueError("a/b.jpg is empty")) == "a/b.jpg is empty"
