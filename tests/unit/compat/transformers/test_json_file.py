"""JSON files: written whole or not at all, in folders that are made, and read with errors that `transformers` has."""

import json

import pytest

from masklet.compat.transformers.json_file import JsonFile, read_json


class Pair(JsonFile):
    def to_dict(self):
        return {"b": 1, "a": [None, True]}


def test_values_are_shown_and_written_in_the_order_of_their_names(tmp_path):
    text = '{\n  "a": [\n    null,\n    true\n  ],\n  "b": 1\n}\n'
    assert Pair().to_json_string() == text
    assert repr(Pair()) == f"Pair {text}"
    path = tmp_path / "new" / "folder" / "pair.json"
    Pair().to_json_file(str(path))
    assert path.read_text(encoding="utf-8") == text
    assert read_json(path) == Pair().to_dict()


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    class Broken(JsonFile):
        def to_dict(self):
            return {"a": object()}

    path = tmp_path / "pair.json"
    Pair().to_json_file(path)
    with pytest.raises(TypeError):
        Broken().to_json_file(path)
    assert json.loads(path.read_text()) == Pair().to_dict()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("text", "message"), [("{", "not readable as JSON"), ("[1]", "not a JSON object")])
def test_other_files_are_refused(tmp_path, text, message):
    path = tmp_path / "pair.json"
    path.write_text(text)
    with pytest.raises(OSError, match=message):
        read_json(path)
