"""The registry against a hub of our own, which answers as the real one does."""

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

from masklet.checkpoint import registry
from masklet.config import PRESETS

TINY = registry.PUBLISHED[[p.name for p in registry.PUBLISHED].index("sam2.1_hiera_tiny")]
COMMIT = "a" * 40


@dataclass
class Hub:
    """What the hub has, says and was asked."""

    content: bytes = b"weights" * 1000
    stated_hash: str | None = None
    has_file: bool = True
    breaks_after: int | None = None
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)

    @property
    def etag(self) -> str:
        return self.stated_hash or hashlib.sha256(self.content).hexdigest()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    return folder


@pytest.fixture
def hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            body = self.answer()
            if body is not None:
                self.wfile.write(body[: hub.breaks_after])
            hub.breaks_after = None

        def answer(self) -> bytes | None:
            start = self.headers.get("Range")
            hub.asked.append((self.command, self.path, start))
            found = hub.has_file and self.path == f"/{TINY.repo_id}/resolve/main/{TINY.pt_file}"
            if not found:
                self.send_response(200 if self.path == "/" else 404)
                if self.path != "/":
                    self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return None
            first = int(re.findall(r"\d+", start)[0]) if start else 0
            body = hub.content[first:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {first}-{len(hub.content) - 1}/{len(hub.content)}")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{hub.etag}"')
            self.send_header("X-Linked-Etag", f'"{hub.etag}"')
            self.send_header("X-Linked-Size", str(len(hub.content)))
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            return body

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    template = "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + template)
    yield hub
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_eight_published_checkpoints_are_presets_and_found_by_any_name():
    assert len(registry.PUBLISHED) == 8
    for published in registry.PUBLISHED:
        assert published.name in PRESETS
        for name in (published.name, published.repo_id, published.repo_id.upper(), published.name.replace("_", "-")):
            assert registry.find(name) == published
    base = registry.find("facebook/sam2.1-hiera-base-plus")
    assert base is not None
    assert (base.name, base.pt_file) == ("sam2.1_hiera_base_plus", "sam2.1_hiera_base_plus.pt")
    assert registry.find("sam2_hiera_huge") is None
    assert registry.find("elsewhere/sam2-hiera-tiny") is None


def test_downloads_once_and_then_never_asks_again(hub, cache):
    assert registry.locate_cached(TINY) is None
    path = registry.download(TINY)
    assert path.read_bytes() == hub.content
    assert cache in path.parents
    assert registry.locate_cached(TINY) == path
    asked = len(hub.asked)
    assert registry.download(TINY) == path
    assert len(hub.asked) == asked


def test_goes_on_where_a_connection_broke(hub, cache, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 500)
    hub.breaks_after = 3000
    assert registry.download(TINY).read_bytes() == hub.content
    assert [start for method, _, start in hub.asked if method == "GET"] == [None, "bytes=3000-"]


def test_what_does_not_have_the_hubs_hash_is_not_kept(hub, cache):
    hub.stated_hash = "0" * 64
    with pytest.raises(ValueError, match=r"sam2\.1_hiera_tiny\.pt .* was damaged .* the hub's is 0{64}.*try again"):
        registry.download(TINY)
    assert registry.locate_cached(TINY) is None
    hub.stated_hash = None
    assert registry.download(TINY).read_bytes() == hub.content


def test_without_links_in_the_cache_the_hub_is_asked_for_the_hash(hub, tmp_path):
    path = tmp_path / TINY.pt_file
    path.write_bytes(hub.content)
    registry.verify(path, TINY)
    path.write_bytes(b"other")
    with pytest.raises(ValueError, match="was damaged"):
        registry.verify(path, TINY)
    assert not path.exists()


def test_a_file_that_the_hub_does_not_have_is_one_sentence(hub):
    hub.has_file = False
    with pytest.raises(ConnectionError, match=r"cannot be downloaded from facebook/sam2\.1-hiera-tiny now: .*404"):
        registry.download(TINY)


def check_message(message: str, cache: Path) -> None:
    assert message.startswith(f"sam2.1_hiera_tiny is not in the cache ({cache})")
    for way in ("connect and try again", "the path of a sam2.1_hiera_tiny.pt", "'nano'"):
        assert way in message
    assert "\n" not in message


def test_offline_mode_is_told_at_once_with_the_ways_there_are(cache, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    start = time.monotonic()
    with pytest.raises(ConnectionError, match=r"offline mode is on \(HF_HUB_OFFLINE\)") as error:
        registry.download(TINY)
    assert time.monotonic() - start < 5
    check_message(str(error.value), cache)


def test_a_hub_out_of_reach_is_told_in_seconds(cache, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(ConnectionError, match="refused") as error:
        registry.download(TINY)
    assert time.monotonic() - start < 5
    check_message(str(error.value), cache)


def test_either_cached_file_will_do(cache, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    folder = cache / "models--facebook--sam2.1-hiera-tiny"
    snapshot = folder / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    (snapshot / "model.safetensors").write_bytes(b"x")
    assert registry.download(TINY) == snapshot / "model.safetensors"
    assert huggingface_hub.try_to_load_from_cache(TINY.repo_id, TINY.pt_file) is None
