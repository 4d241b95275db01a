"""The published checkpoints: their names, where they are on the hub, and how one gets here.

Downloading, resuming and caching are huggingface_hub's; what it fetched is then checked against the hub's own hash.
"""

import hashlib
import re
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache

from masklet.checkpoint.files import first_line
from masklet.config import PRESETS

CONNECT_SECONDS = 5.0
"""How long to wait for the hub before saying that it cannot be reached."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Published:
    """A published checkpoint: masklet's name for it, its repository on the hub, and the files with its weights.

    The two files hold the same weights, in the official layout and in Hugging Face's video layout.
    """

    name: str
    repo_id: str
    pt_file: str
    safetensors_file: str = "model.safetensors"


def _published(name: str) -> Published:
    return Published(name, f"facebook/{name.replace('_', '-')}", f"{name}.pt")


PUBLISHED: tuple[Published, ...] = tuple(_published(name) for name in PRESETS if name.startswith("sam2"))
"""The eight checkpoints of SAM 2.0 and 2.1."""


def find(name: str) -> Published | None:
    """The published checkpoint of a name or repository id, in any case, with `-` or `_`; None if there is none."""
    wanted = name.lower().replace("-", "_")
    for published in PUBLISHED:
        if wanted in (published.name, published.repo_id.replace("-", "_")):
            return published
    return None


def locate_cached(published: Published) -> Path | None:
    """Where a published checkpoint lies in the hub's cache on this machine; None if it does not. Never connects."""
    for file in (published.pt_file, published.safetensors_file):
        found = try_to_load_from_cache(published.repo_id, file)
        if isinstance(found, str):
            return Path(found)
    return None


def download(published: Published) -> Path:
    """Where a published checkpoint lies in the hub's cache, after downloading it if it was not there.

    ConnectionError, in one sentence with the ways there are, where it cannot be had; ValueError where what came is not
    what the hub holds, and then it is not kept.
    """
    if cached := locate_cached(published):
        return cached
    try:
        knock()
        path = Path(hf_hub_download(published.repo_id, published.pt_file, etag_timeout=CONNECT_SECONDS))
    except Exception as error:
        # The hub's client raises errors of its own, of its HTTP client's (which it has changed) and of the disk.
        raise ConnectionError(_cannot_download(published, error)) from error
    try:
        verify(path, published)
    except ValueError:
        raise
    except Exception as error:
        _remove(path)  # what could not be compared would be taken for good next time
        raise ConnectionError(_cannot_download(published, error)) from error
    return path


def verify(path: Path, published: Published) -> None:
    """Compare a downloaded file with the hub's hash for it. ValueError, and the file is removed, if they differ."""
    expected = _hub_hash(path, published)
    if expected is None:
        return
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    if digest.hexdigest() != expected:
        _remove(path)
        raise ValueError(
            f"the download of {published.pt_file} from {published.repo_id} was damaged (its SHA-256 is "
            f"{digest.hexdigest()}, the hub's is {expected}) and has been removed: try again"
        )


def _remove(path: Path) -> None:
    """Remove a file of the cache and the link to it."""
    path.resolve().unlink()
    path.unlink(missing_ok=True)


def knock() -> None:
    """Fail at once where the hub is out of reach; its own client would try for half a minute."""
    if constants.HF_HUB_OFFLINE:
        return
    request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=CONNECT_SECONDS).close()
    except urllib.error.HTTPError as error:
        error.close()  # any answer is an answer
    except urllib.error.URLError as error:
        if not isinstance(error.reason, ssl.SSLError):  # the client may know other certificates
            raise


def _hub_hash(path: Path, published: Published) -> str | None:
    """The SHA-256 that the hub gives for a large file. Its cache names the file's content by it, but where links are
    not possible the hub is asked."""
    name = path.resolve().name
    if not _SHA256.fullmatch(name):
        name = (
            get_hf_file_metadata(hf_hub_url(published.repo_id, published.pt_file), timeout=CONNECT_SECONDS).etag or ""
        )
    return name if _SHA256.fullmatch(name) else None


def _cannot_download(published: Published, error: Exception) -> str:
    offline = "offline mode is on (HF_HUB_OFFLINE)" if constants.HF_HUB_OFFLINE else innermost(error)
    return (
        f"{published.name} is not in the cache ({constants.HF_HUB_CACHE}) and cannot be downloaded from "
        f"{published.repo_id} now: {offline}; connect and try again, give the path of a {published.pt_file} that you "
        "have, copy it into the cache from another machine, or take 'nano', which comes with masklet"
    )


def innermost(error: BaseException) -> str:
    """What the first cause of an error says."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return first_line(error)
