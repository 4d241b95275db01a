"""Finding files in folders and on a hub (see conftest)."""

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from masklet.compat.transformers.hub import HubOptions, find_file, find_optional, find_shards


def test_a_folder_has_a_file_or_says_what_it_lacks(tmp_path: Path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.json").write_text("{}")
    assert find_file(tmp_path, ("a.json", "b.json"), HubOptions()) == tmp_path / "b.json"
    with pytest.raises(FileNotFoundError, match=r"sub has no a\.json or b\.json: .*save_pretrained"):
        find_file(tmp_path, ("a.json", "b.json"), HubOptions(subfolder="sub"))
    assert find_optional(str(tmp_path), ("a.json",), HubOptions()) is None
    with pytest.raises(OSError, match="is a file; give the folder"):
        find_file(tmp_path / "b.json", ("b.json",), HubOptions())


@pytest.mark.parametrize("source", ["/no/such/folder", "./folder", "a/b/c", "~/folder"])
def test_a_folder_that_is_not_there(source: str):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .* id of a repository"):
        find_file(source, ("a.json",), HubOptions())


def test_downloads_once_and_then_never_asks_again(hub: Any, cache: Path):
    hub.files["me/model/a.json"] = b"one"
    path = find_file("me/model", ("b.json", "a.json"), HubOptions())
    assert path.read_bytes() == b"one"
    assert cache in path.parents
    asked = len(hub.asked)
    assert find_file("me/model", ("b.json", "a.json"), HubOptions(local_files_only=True)) == path
    assert len(hub.asked) == asked
    assert find_file("me/model", ("a.json",), HubOptions(force_download=True)) == path
    assert len(hub.asked) > asked


def test_options_reach_the_hub(hub: Any, tmp_path: Path):
    hub.files["me/model/sub/a.json"] = b"one"
    keywords = {"revision": "v1", "cache_dir": tmp_path / "other", "subfolder": "sub", "token": None, "mlp_dim": 3}
    options = HubOptions.take_from(keywords)
    assert keywords == {"token": None, "mlp_dim": 3}
    path = find_file("me/model", ("a.json",), options)
    assert tmp_path / "other" in path.parents
    assert "/me/model/resolve/v1/sub/a.json" in hub.asked
    assert find_file("me/model", ("a.json",), options) == path


def test_the_parts_of_a_checkpoint_come_beside_their_index(hub: Any):
    hub.files["me/model/m.index.json"] = b'{"weight_map": {"a": "m-1", "b": "m-2", "c": "m-1"}}'
    hub.files["me/model/m-1"], hub.files["me/model/m-2"] = b"1", b"2"
    index = find_file("me/model", ("m.index.json",), HubOptions())
    find_shards("me/model", index, HubOptions())
    assert sorted(path.name for path in index.parent.iterdir()) == ["m-1", "m-2", "m.index.json"]
    del hub.files["me/model/m-2"]
    (index.parent / "m-2").unlink()
    with pytest.raises(FileNotFoundError, match="has no m-2"):
        find_shards("me/model", index, HubOptions())
    find_shards("me/model", index.parent / "m-1", HubOptions())


def test_a_repository_without_the_file(hub: Any):
    hub.files["me/model/a.json"] = b"one"
    with pytest.raises(FileNotFoundError, match=r"me/model of the hub at revision v1 has no b\.json or c\.json"):
        find_file("me/model", ("b.json", "c.json"), HubOptions(revision="v1"))
    assert find_optional("me/model", ("b.json",), HubOptions()) is None


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (404, "RepoNotFound", "'me/model' is neither a folder here nor a repository .* token="),
        (401, "RepoNotFound", "'me/model' is neither a folder here nor a repository"),
        (403, "GatedRepo", "accepted its terms"),
        (404, "RevisionNotFound", "me/model has no branch, tag or commit 'v1'"),
        (403, "Other", r"a\.json of me/model is not in the cache .* cannot be downloaded now: .*403"),
    ],
)
def test_errors_of_the_hub_in_clear_words(hub: Any, status: int, code: str, said: str):
    hub.error = status, code
    with pytest.raises(OSError, match=said):
        find_optional("me/model", ("a.json",), HubOptions(revision="v1"))


def test_out_of_reach(cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(OSError, match=r"a\.json of me/model is not in the cache .*: .*refused.*; connect and try"):
        find_file("me/model", ("a.json",), HubOptions())
    with pytest.raises(OSError, match="local_files_only is set"):
        find_file("me/model", ("a.json",), HubOptions(local_files_only=True))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(OSError, match="HF_HUB_OFFLINE"):
        find_file("me/model", ("a.json",), HubOptions())


def test_a_name_that_no_repository_can_have():
    with pytest.raises(OSError, match=r"'two words' ?.* an id is like facebook/"):
        find_file("two words", ("a.json",), HubOptions())
