"""Where the files of a model are: in a folder, in the hub's cache, or on the hub.

What `from_pretrained` of configurations, models and processors have in common. Downloading and caching are
huggingface_hub's, so a model that `transformers` has fetched is found, and the reverse.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from masklet.checkpoint.locate import BUNDLED
from masklet.checkpoint.registry import CONNECT_SECONDS, innermost, knock
from masklet.compat.transformers.bundled import bundled_folder
from masklet.io.files import read_json


@dataclass(frozen=True, kw_only=True)
class HubOptions:
    """How to look on the hub.

    revision: branch, tag or commit. cache_dir: where downloads are kept; None is the hub's usual place. token: of the
    account to use, True for the one logged in. subfolder: of the repository or folder.
    """

    revision: str | None = None
    cache_dir: str | Path | None = None
    local_files_only: bool = False
    token: str | bool | None = None
    force_download: bool = False
    subfolder: str = ""

    @classmethod
    def take_from(cls, keywords: dict[str, Any]) -> "HubOptions":
        """The options among keywords, which are removed there."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: keywords.pop(name) for name in names if keywords.get(name) is not None})


def find_file(source: str | Path, names: Sequence[str], options: HubOptions) -> Path:
    """The first of several files, by name, that a folder or a repository has; downloaded if need be.

    "nano" is the model that comes with masklet, whatever folder there is of that name. OSError (FileNotFoundError in a
    folder) says what was looked for, where, and what can be done.
    """
    folder = bundled_folder() if source == BUNDLED else Path(source).expanduser()
    if folder.is_dir():
        folder = folder / options.subfolder
        for name in names:
            if (folder / name).is_file():
                return folder / name
        raise FileNotFoundError(f"the folder {folder} has no {_or(names)}: give one that save_pretrained wrote")
    if folder.is_file():
        raise NotADirectoryError(f"{folder} is a file; give the folder that it is in, or the id of a repository")
    return _find_on_hub(str(source), names, options)


def find_optional(source: str | Path, names: Sequence[str], options: HubOptions) -> Path | None:
    """Like `find_file`, but None where the folder or repository has none of the files, or where there is no folder."""
    try:
        return find_file(source, names, options)
    except FileNotFoundError:
        return None


def find_shards(source: str | Path, index: Path, options: HubOptions) -> None:
    """Bring the files that the index of a sharded checkpoint names beside it; any other file needs nothing."""
    if not index.name.endswith(".index.json"):
        return
    places = read_json(index, ("weight_map",))["weight_map"]
    for name in sorted(set(places.values())):
        find_file(source, (name,), options)


def _find_on_hub(repo_id: str, names: Sequence[str], options: HubOptions) -> Path:
    if len(Path(repo_id).parts) > 2 or repo_id.startswith((".", "~", "/")):
        raise FileNotFoundError(f"there is no folder {repo_id}: give the folder of a model, or the id of a repository")
    try:
        if not options.force_download and (cached := _cached(repo_id, names, options)):
            return cached
        return _download(repo_id, names, options)
    except HFValidationError:
        raise OSError(
            f"there is no folder {repo_id!r}, nor can a repository of the hub be called so: an id is like "
            "facebook/sam2.1-hiera-tiny"
        ) from None


def _cached(repo_id: str, names: Sequence[str], options: HubOptions) -> Path | None:
    for name in names:
        found = try_to_load_from_cache(
            repo_id, _in_repository(name, options), cache_dir=options.cache_dir, revision=options.revision
        )
        if isinstance(found, str):
            return Path(found)
    return None


def _download(repo_id: str, names: Sequence[str], options: HubOptions) -> Path:
    where = f"{repo_id} of the hub" + (f" at revision {options.revision}" if options.revision else "")
    if options.local_files_only or constants.HF_HUB_OFFLINE:
        why = "local_files_only is set" if options.local_files_only else "offline mode is on (HF_HUB_OFFLINE)"
        raise OSError(_cannot(repo_id, names, options, why))
    try:
        knock()
    except OSError as error:
        raise OSError(_cannot(repo_id, names, options, innermost(error))) from error
    for name in names:
        try:
            return Path(
                hf_hub_download(
                    repo_id,
                    name,
                    subfolder=options.subfolder or None,
                    revision=options.revision,
                    cache_dir=options.cache_dir,
                    token=options.token,
                    force_download=options.force_download,
                    etag_timeout=CONNECT_SECONDS,
                )
            )
        except LocalEntryNotFoundError as error:
            raise OSError(_cannot(repo_id, names, options, innermost(error))) from error
        except EntryNotFoundError:
            continue
        except GatedRepoError as error:
            raise OSError(
                f"{where} is open to those alone who have accepted its terms: do so on its page, then log in with "
                "`hf auth login` or give token="
            ) from error
        except RepositoryNotFoundError as error:
            raise OSError(
                f"{repo_id!r} is neither a folder here nor a repository of the hub that can be seen: look at how it is "
                "written; for a private one log in with `hf auth login` or give token="
            ) from error
        except RevisionNotFoundError as error:
            raise OSError(f"{repo_id} has no branch, tag or commit {options.revision!r}") from error
        except (OSError, ConnectionError) as error:  # of the hub, the connection or the disk
            raise OSError(_cannot(repo_id, names, options, innermost(error))) from error
    raise FileNotFoundError(f"{where} has no {_or(names)}: is it a SAM 2 model in the layout of transformers?")


def _cannot(repo_id: str, names: Sequence[str], options: HubOptions, why: str) -> str:
    return (
        f"there is no such folder, and {_or(names)} of {repo_id} is not in the cache "
        f"({options.cache_dir or constants.HF_HUB_CACHE}) and cannot be downloaded now: {why}; connect and try again, "
        "or give the folder of a copy"
    )


def _in_repository(name: str, options: HubOptions) -> str:
    return f"{options.subfolder}/{name}" if options.subfolder else name


def _or(names: Sequence[str]) -> str:
    return " or ".join(names)
