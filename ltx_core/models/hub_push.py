"""A folder to a repository of a hub, through huggingface_hub; its token is that of HF_TOKEN or of the login.

Design choices
- Nothing is lost when it fails: the folder stays, files that have arrived are not sent again.
- A public repository is never pushed to where a private one is wanted.
- All of it is one commit: a push that is killed has changed nothing, or all. (The library's own way with a
  folder makes several, where it has its faster protocol.)
- What an earlier push has put there is replaced or goes; what others have put there is never touched: where
  it lies in the place of a file of ours, nothing is pushed (`hub_owned`).
- A hub of one's own is spoken to by the older protocol, Git LFS, which all of them have.
- Messages hold no token: the library keeps it in headers, and what servers say is redacted.
"""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltx_core.models.errors import ModelError
from ltx_core.models.hub_owned import CARD, SIGN, changes, named, with_list
from ltx_core.store.redact import redactor

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PUBLIC = "https://huggingface.co"
NOT_SENT = frozenset((".git", ".cache"))
"""Folders of programs, wherever they lie."""
TELLING = 300
"""Characters of a server's answer in a message."""
DENIED, NOT_FOUND, BUSY, SERVER = (401, 403), 404, (409, 412, 429), 500


@dataclass(frozen=True)
class Target:
    """Where a folder is pushed to.

    Attributes:
        repository: `owner/name`.
        private: whether it is made private; a public one that is there is refused then.
        endpoint: address of the hub; None: that of the library.
        revision: branch; None: the main one.
    """

    repository: str
    private: bool = False
    endpoint: str | None = None
    revision: str | None = None


@dataclass(frozen=True)
class Pushed:
    """What a push has made.

    Attributes:
        commit: its id.
        url: of the repository.
        files: how many the folder has.
        nbytes: their size.
    """

    commit: str
    url: str
    files: int
    nbytes: int


class PushError(ModelError):
    """A folder could not be pushed; nothing is lost, and the same command tries it again."""


def listed(folder: Path) -> list[tuple[str, int]]:
    """(path, bytes) of every file that a push sends, in order."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    named = [(path.relative_to(folder), path.stat().st_size) for path in files]
    return [(path.as_posix(), size) for path, size in named if not NOT_SENT.intersection(path.parts)]


def push(
    folder: Path, target: Target, message: str, tell: Callable[[str], None] = lambda text: None
) -> Pushed:
    """Make the repository where it is not there, and push every file of a folder to it.

    Args:
        folder: what is pushed.
        target: where to.
        message: of the commit.
        tell: is told of each step.

    Raises:
        PushError: when the hub refuses or cannot be reached, with what to do.
    """
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        raise PushError(
            f"{target.repository} was not pushed: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set in the "
            f"environment; unset it and run the same command. The folder is complete: {folder}"
        )
    files = listed(folder)
    api = HfApi(endpoint=target.endpoint)
    with _told(target, folder), _protocol(target):
        tell(f"pushing {len(files)} files to {api.endpoint}/{target.repository}")
        _ready(api, target)
        commit = api.repo_info(target.repository, revision=target.revision).sha
        done = api.create_commit(
            target.repository,
            _operations(api, folder, [name for name, _ in files], target, tell),
            commit_message=message,
            revision=target.revision,
            parent_commit=commit,  # what another has pushed meanwhile is not known to the operations
        )
    url = f"{api.endpoint}/{target.repository}"
    return Pushed(str(done.oid), url, len(files), sum(size for _, size in files))


def _ready(api: HfApi, target: Target) -> None:
    """The repository and the branch, made where they are not there."""
    api.create_repo(target.repository, private=target.private, exist_ok=True)
    if target.private and api.repo_info(target.repository).private is False:
        raise PushError(
            f"{target.repository} is there already and public, but hub.private is true; make it private in "
            "its settings, push to another repository, or write `private: false`"
        )
    if target.revision is not None:
        api.create_branch(target.repository, branch=target.revision, exist_ok=True)


def _operations(
    api: HfApi, folder: Path, names: list[str], target: Target, tell: Callable[[str], None]
) -> list[Any]:
    """What the commit does: every file of the folder, and what goes of an earlier push.

    Raises:
        PushError: when others' files lie in the place of those that are pushed.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    there = api.list_repo_files(target.repository, revision=target.revision)
    lineage = _read(api, target, SIGN) if SIGN in there else None
    card = _read(api, target, CARD) if CARD in there else b""
    found = changes(there, names, lineage, card)
    if found.foreign:
        raise PushError(
            f"{target.repository} holds files that no push has left there, where this one puts its own: "
            f"{named(found.foreign)}. Rename or delete them there, or push to another repository or to a "
            "branch of its own (hub.revision, --revision); nothing was changed"
        )
    if found.kept:
        tell(f"kept in {target.repository}, since no push has left them there: {named(found.kept)}")
    added = [
        CommitOperationAdd(name, with_list(folder / name, names) if name == SIGN else str(folder / name))
        for name in names
    ]
    return [*(CommitOperationDelete(name) for name in found.removed), *added]


def _read(api: HfApi, target: Target, name: str) -> bytes:
    """A file of the repository."""
    with tempfile.TemporaryDirectory() as folder:
        path = api.hf_hub_download(target.repository, name, revision=target.revision, local_dir=folder)
        return Path(path).read_bytes()


@contextlib.contextmanager
def _protocol(target: Target) -> Iterator[None]:
    """Speak Git LFS to a hub of one's own, with no bars on the log of a run."""
    from huggingface_hub import constants

    utils: Any = import_module("huggingface_hub.utils")  # its names are there, but not declared
    before, bars = constants.HF_HUB_DISABLE_XET, not utils.are_progress_bars_disabled()
    own = (target.endpoint or constants.ENDPOINT) != PUBLIC
    constants.HF_HUB_DISABLE_XET = before or own
    utils.disable_progress_bars()
    try:
        with warnings.catch_warnings():  # tables of the lineage belong to a model
            warnings.filterwarnings("ignore", message="It seems that you are about to commit a data file")
            yield
    finally:
        constants.HF_HUB_DISABLE_XET = before
        if bars:
            utils.enable_progress_bars()


@contextlib.contextmanager
def _told(target: Target, folder: Path) -> Iterator[None]:
    """What goes wrong, in words that say what to do."""
    from huggingface_hub import errors

    network: type[Exception] = getattr(errors, "HTTPError", OSError)  # of the library that it asks with
    kept = f"Nothing is lost: the folder is complete ({folder}), and the same command tries again"
    try:
        yield
    except PushError:
        raise
    except (errors.HfHubHTTPError, network, OSError, RuntimeError, ValueError) as error:
        cause = _cause(error)
        text = f"{target.repository} was not pushed: {_advice(cause, target)}. {kept}"
        raise PushError(redactor().text(text)) from None


def _cause(error: BaseException) -> BaseException:
    """The answer behind a failed upload, which the library wraps."""
    found: BaseException | None = error
    while found is not None:
        if getattr(found, "response", None) is not None:
            return found
        found = found.__cause__
    return error


def _advice(error: BaseException, target: Target) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    said = " ".join(str(getattr(error, "server_message", None) or error).split())[:TELLING]
    where = target.endpoint or "the hub"
    if status in DENIED:
        return (
            f"{where} denies it (status {status}: {said}); `hf auth login` with a token that may write to "
            f"{target.repository.partition('/')[0]}, or set HF_TOKEN to one"
        )
    if status == NOT_FOUND:
        return (
            f"{where} has no such owner or branch (status 404: {said}); check hub.hub_model_id and "
            "hub.revision, and that the token may see them"
        )
    if status in BUSY:
        return f"{where} is busy with it, or the branch moved meanwhile (status {status}: {said}); wait"
    if status is not None and status >= SERVER:
        return f"{where} fails (status {status}: {said}); wait until it works again"
    if status is not None or isinstance(error, ValueError):
        return f"{where} refuses it ({said})"
    return f"{where} cannot be reached ({type(error).__name__}: {said}); check the network and hub.endpoint"


def facts(pushed: Pushed, target: Target) -> dict[str, Any]:
    """What is kept of a push."""
    return {
        "repository": target.repository,
        "revision": target.revision or "main",
        "commit": pushed.commit,
        "url": pushed.url,
        "sent_files": pushed.files,
        "sent_bytes": pushed.nbytes,
    }
