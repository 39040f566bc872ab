"""Models by the name of a repository: what huggingface_hub has of it on this machine, or gets when asked to.

Design choices
- Reading a model never downloads: `ltx check` and `ltx plan` answer at once, and offline. `fetch` downloads,
  and only a command that is about to compute calls it.
- Of a repository in the diffusers layout only its components are got: the published ones hold unified files
  of the same weights beside, ten times as much.
- Where a repository holds unified files only, one of them is named: `owner/name/file.safetensors`.
- The library reads the token itself; it is in no message here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ltx_core.models.errors import ModelError
from ltx_core.models.folder import COMPONENTS, INDEX_SUFFIX, OTHERS

NAME = re.compile(r"([\w][\w.-]*/[\w][\w.-]*)(?:@([\w][\w./-]*?))?((?:/[\w][\w.-]*)+\.safetensors)?")
"""`owner/name`, with `@revision` and a file in it where stated."""
PAGE = "https://huggingface.co/"
INDEX = "model_index.json"
WANTED = (INDEX, *(f"{name}/*" for name in (*COMPONENTS, *OTHERS)))
"""Files of a repository in the diffusers layout."""
NEEDED = ("transformer", "vae")
"""Folders without which a copy is not whole, whatever its index says."""


@dataclass(frozen=True)
class HubName:
    """A name of a model in the hub.

    Attributes:
        repository: `owner/name`.
        revision: a branch, tag or commit; None: the main branch.
        file: path of a file in it; "" for the folder.
    """

    repository: str
    revision: str | None = None
    file: str = ""

    @classmethod
    def of(cls, text: str) -> HubName | None:
        """The name that a text is, or None."""
        found = NAME.fullmatch(text)
        return None if found is None else cls(found[1], found[2], (found[3] or "").lstrip("/"))


def is_hub_id(path: Path | str) -> bool:
    """Whether a path is the name of a repository: nothing lies there, and it has the form of one."""
    return HubName.of(str(path)) is not None and not Path(path).exists()


def is_downloaded(path: Path | str) -> bool:
    """Whether a path is the name of a repository that is whole on this machine."""
    if not is_hub_id(path):
        return False
    try:
        local_copy(str(path))
    except ModelError:
        return False
    return True


def local_copy(text: str) -> Path:
    """The folder or file that is on this machine.

    Raises:
        ModelError: when it is not, or not whole, with how to get it.
    """
    from huggingface_hub import errors

    name = _named(text)
    try:
        found = _ask(name, local=True)
    except (OSError, ValueError, errors.EntryNotFoundError, errors.CachedRepoTreeNotFoundError) as error:
        raise _absent(name, "has not been downloaded") from error
    if missing := _missing(found):
        raise _absent(name, f"is not whole on this machine: {missing} is missing")
    return found


def fetch(text: str, tell: Callable[[str], None] = lambda _: None) -> Path:
    """The folder or file, downloaded where it is not on this machine.

    Args:
        text: the name.
        tell: is told before a download begins.

    Raises:
        ModelError: when it cannot be got: no such repository, no access, no network; with what to do.
    """
    from huggingface_hub import constants

    try:
        return local_copy(text)
    except ModelError:
        if constants.HF_HUB_OFFLINE:
            raise
    name = _named(text)
    tell(f"getting {text} from {PAGE}{name.repository} into {constants.HF_HUB_CACHE}")
    found = _download(name)
    if missing := _missing(found):
        raise ModelError(
            f"{PAGE}{name.repository} is no model in the diffusers layout: it has no {missing}. Name one of "
            f"its files ({name.repository}/FILE.safetensors), or another repository"
        )
    return found


def _named(text: str) -> HubName:
    name = HubName.of(text)
    if name is None:
        raise ModelError(f"{text!r} is no name of a repository; it must have the form owner/name")
    return name


def _ask(name: HubName, local: bool) -> Path:
    from huggingface_hub import hf_hub_download, snapshot_download

    if name.file:
        return Path(
            hf_hub_download(name.repository, name.file, revision=name.revision, local_files_only=local)
        )
    return Path(
        snapshot_download(
            name.repository, revision=name.revision, allow_patterns=list(WANTED), local_files_only=local
        )
    )


def _download(name: HubName) -> Path:
    from huggingface_hub import errors

    page = PAGE + name.repository
    try:
        return _ask(name, local=False)
    except errors.GatedRepoError as error:
        raise ModelError(
            f"{page} is gated: accept its licence on that page, then `hf auth login` with a token of the "
            "same account (or set HF_TOKEN), and run again"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelError(
            f"{page} does not exist, or is private and no token for it is set; check the name, or "
            "`hf auth login`"
        ) from error
    except (errors.RevisionNotFoundError, errors.EntryNotFoundError) as error:
        what = name.file or f"revision {name.revision}"
        raise ModelError(f"{page} has no {what}; look at its files and correct the name") from error
    except (errors.HfHubHTTPError, OSError) as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403):
            raise ModelError(
                f"{page} gives this account no access (status {status}): `hf auth login` with a token that "
                "may read it, and accept the licence on that page where it has one"
            ) from error
        raise ModelError(
            f"{page} could not be reached ({type(error).__name__}); check the network, or get the model "
            f"elsewhere: {_command(name)}, then set model.model_path to the folder"
        ) from error


def _missing(found: Path) -> str:
    """What a copy of a repository in the diffusers layout lacks; "" for a whole one and for a file."""
    if found.is_file():
        return ""
    if (found / INDEX).is_file():
        index = json.loads((found / INDEX).read_bytes())
        listed = {name for name, value in index.items() if isinstance(value, list) and value[0] is not None}
    else:
        listed = set()
    for name in sorted({*listed, *NEEDED} & {*COMPONENTS, *OTHERS}):
        if not (found / name).is_dir():
            return f"{name}/"
        for shards in (found / name).glob(f"*{INDEX_SUFFIX}"):
            for file in sorted(set(json.loads(shards.read_bytes()).get("weight_map", {}).values())):
                if not (found / name / file).is_file():
                    return f"{name}/{file}"
    return ""


def _absent(name: HubName, what: str) -> ModelError:
    return ModelError(
        f"{name.repository} {what}, and there is no folder of this name; get it with {_command(name)}, "
        "name it as model.model_source for `ltx run` to get it, or set model.model_path to a folder or file "
        "that is here"
    )


def _command(name: HubName) -> str:
    revision = f" --revision {name.revision}" if name.revision else ""
    return f"`hf download {name.repository}{f' {name.file}' if name.file else ''}{revision}`"
