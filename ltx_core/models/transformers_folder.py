"""Models beside the base model: a folder in the layout of transformers, or its name in the hub.

Reading never downloads, as with the base model (`hub.py`); `fetch_folder` does, when a command is about to
compute.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ltx_core.models.errors import ModelError
from ltx_core.models.hub import PAGE, HubName

WANTED = ("*.json", "*.safetensors", "*.txt")
"""Files of a repository that are got."""
CONFIG = "config.json"


def model_folder(text: str, option: str) -> Path:
    """The folder on this machine that an option names.

    Raises:
        ModelError: when it is not there or holds no model, with how to get it.
    """
    place = Path(text).expanduser()
    if place.exists():
        if (place / CONFIG).is_file():
            return place
        raise ModelError(
            f"{option} {text} holds no {CONFIG}; give a model's folder in the layout of transformers"
        )
    name = _named(text, option)
    found = _local(name)
    if found is None:
        raise ModelError(
            f"{option} {text} has not been downloaded, and there is no folder of this name; get it with "
            f"`hf download {name.repository}`, let `ltx run` get it, or set {option} to a folder that is here"
        )
    return found


def fetch_folder(text: str, option: str, tell: Callable[[str], None] = lambda _: None) -> None:
    """Download a repository that an option names, where it is not on this machine.

    Raises:
        ModelError: when it cannot be got, with what to do.
    """
    from huggingface_hub import constants, errors, snapshot_download

    if Path(text).expanduser().exists() or _local(_named(text, option)) is not None:
        return
    name = _named(text, option)
    page = PAGE + name.repository
    tell(f"getting {text} from {page} into {constants.HF_HUB_CACHE}")
    try:
        snapshot_download(name.repository, revision=name.revision, allow_patterns=list(WANTED))
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as error:
        raise ModelError(
            f"{option}: {page} could not be got ({type(error).__name__}); check the name, the network "
            "and, for a gated one, `hf auth login`; or get it elsewhere "
            f"(`hf download {name.repository}`) and set {option} to the folder"
        ) from error


def _named(text: str, option: str) -> HubName:
    name = HubName.of(text)
    if name is None or name.file:
        raise ModelError(f"{option} {text} does not exist; give a model's folder, or owner/name in the hub")
    return name


def _local(name: HubName) -> Path | None:
    """The copy of a repository on this machine, if it is whole."""
    from huggingface_hub import errors, snapshot_download

    try:
        found = Path(
            snapshot_download(
                name.repository, revision=name.revision, allow_patterns=list(WANTED), local_files_only=True
            )
        )
    except (OSError, ValueError, errors.EntryNotFoundError, errors.CachedRepoTreeNotFoundError):
        return None
    return found if (found / CONFIG).is_file() and any(found.glob("*.safetensors")) else None
