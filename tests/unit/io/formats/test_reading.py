from pathlib import Path

import pytest

from masklet.io.formats.reading import files_in, naming, number_objects, read_json_list, single_file


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
