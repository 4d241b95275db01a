from pathlib import Path

import pytest

from masklet.io.formats.reading import (
    files_in,
    group_shapes,
    naming,
    number_objects,
    one_line,
    picture_name,
    picture_size,
    read_json_list,
    single_file,
)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: {}["label"], "a.json, shape 3 cannot be read: it lacks 'label'"),
        (lambda: int("x"), "a.json, shape 3 cannot be read: invalid literal"),
        (lambda: {}.get(1)["label"], "a.json, shape 3 cannot be read: 'NoneType'"),
    ],
)
def test_errors_name_the_entry(wrong, said: str):
    with pytest.raises(ValueError, match=said), naming("a.json, shape 3"):
        wrong()


def test_what_is_no_fault_of_the_file_passes():
    with pytest.raises(KeyboardInterrupt), naming("a.json"):
        raise KeyboardInterrupt


def test_finding_files(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no file .*tasks\.json"):
        single_file(tmp_path, "tasks.json")
    with pytest.raises(FileNotFoundError, match=r"extension \.json"):
        files_in(tmp_path, ".json")
    for name in ("tasks.json", "b/c.json", "b/.hidden.json", ".hidden/c.json", "b/c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("[1]")
    assert single_file(tmp_path, "tasks.json") == single_file(tmp_path / "tasks.json", "x") == tmp_path / "tasks.json"
    assert files_in(tmp_path, ".json") == [(tmp_path / "b/c.json", "b"), (tmp_path / "tasks.json", ".")]
    assert files_in(tmp_path / "b/c.json", ".json") == [(tmp_path / "b/c.json", "")]


def test_a_list_in_json(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text("[1, {}]")
    assert read_json_list(path) == [1, {}]
    for text in ("[1", '{"a": 1}'):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"a\.json cannot be read"):
            read_json_list(path)


@pytest.mark.parametrize(
    ("ids", "numbers"),
    [([], []), ([3, None, 1, None], [3, 4, 1, 5]), ([2, 2, 0, -1], [2, 3, 4, 5]), ([None, None], [1, 2])],
)
def test_numbers_for_objects_without(ids: list, numbers: list):
    assert number_objects(ids) == numbers


def test_shapes_of_one_label_and_group_are_one_object():
    shapes = [
        ("cup", 4, "a"),
        ("cup", None, "b"),
        ("pot", 4, "c"),
        ("cup", 4, "d"),
        ("cup", None, "e"),
        ("cup", "x", "f"),
    ]
    assert group_shapes(shapes) == [
        (4, "cup", ["a", "d"]),
        (5, "cup", ["b"]),
        (6, "pot", ["c"]),
        (7, "cup", ["e"]),
        (8, "cup", ["f"]),
    ]


def test_numbers_for_many_objects_take_no_time():
    ids = [*range(1, 100_001), 1]
    assert number_objects(ids) == [*range(1, 100_002)]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/cup.jpg", "a/cup.jpg"),
        ("/data/a/cup.jpg", "data/a/cup.jpg"),
        ("../../a/../cup.jpg", "a/cup.jpg"),
        ("./cup.jpg", "cup.jpg"),
        ("C:\\data\\cup.jpg", "data/cup.jpg"),
        ("D:/data/cup.jpg", "data/cup.jpg"),
        ("..\\a\\cup.jpg", "a/cup.jpg"),
        ("a/b\\c.jpg", "a/b\\c.jpg"),
        ("//server/cup.jpg", "server/cup.jpg"),
    ],
)
def test_names_are_brought_into_a_folder(path: str, name: str):
    assert picture_name(path) == name


def test_sizes():
    assert picture_size(480, 640.0) == (480, 640)
    assert all(type(side) is int for side in picture_size(480.0, 640))
    for height, width in ((0, 5), (-3, -5), (2.5, 5), (10**6, 10**6)):
        with pytest.raises(ValueError, match=f"height and width are {height} and {width}"):
            picture_size(height, width)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("cup", "cup"),
        (" a  b", " a  b"),
        ("cup\r", "cup"),
        ("a\nb", "a b"),
        (5, "5"),
        (" ", "object"),
        (None, "object"),
    ],
)
def test_labels_of_one_line(label: object, said: str):
    assert one_line(label) == said
