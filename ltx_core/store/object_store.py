"""Reading S3-compatible stores: looking, listing and fetching, with patience.

Design choices
- pyarrow's file system: no further library. Credentials are found as Amazon's tools find them (environment,
  `~/.aws`, the machine's role); nothing here takes, keeps or says one.
- A fetch reads block by block, so that memory stays flat and a broken connection costs a block. The object's
  tag is compared before and after: an object that was written over meanwhile is read anew.
- Trouble that passes (too many requests, a server's error, a lost connection) is waited out. If it stays, the
  run ends: a row that said so would outlast the trouble. An object that is not there or is denied is its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import random
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import urlsplit

from ltx_core.errors import LtxError
from ltx_core.store.disk import TEMPORARY_PREFIX, explain, sync_folder
from ltx_core.store.keys import DIGEST_LENGTH
from ltx_core.store.uri import ObjectUri

if TYPE_CHECKING:
    from pyarrow import NativeFile
    from pyarrow.fs import FileInfo, S3FileSystem

T = TypeVar("T")
BLOCK = 8 << 20
"""Bytes of one request."""
WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between tries, each varied by half so that many readers do not come back at once."""
ABANDONED = 60.0
"""Seconds after which an unfinished file that no process holds is removed."""
PASSING = re.compile(
    "NETWORK_CONNECTION|SLOW_DOWN|THROTTL|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|REQUEST_TIMEOUT|"
    "REQUEST_EXPIRED|curlCode|HTTP status (429|5..)|response code: (429|5..)|timed? ?out",
    re.IGNORECASE,
)
MISSING = re.compile("NO_SUCH_KEY|NO_SUCH_BUCKET|RESOURCE_NOT_FOUND|HTTP status 404|response code: 404")
DENIED = re.compile(
    "ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|INVALID_CLIENT_TOKEN_ID|MISSING_AUTH|"
    "UNRECOGNIZED_CLIENT|EXPIRED|HTTP status (401|403)|response code: (401|403)"
)
Trouble = Literal["missing", "denied", "passing", "other"]


class ObjectStoreError(LtxError):
    """A store that cannot be read: what was asked, what came, what to do."""


class ObjectProblemError(Exception):
    """One object that cannot be read, with the reason for its row."""


@dataclass(frozen=True)
class RemoteObject:
    """An object as the store lists it.

    Attributes:
        uri: its name.
        size: bytes.
        mtime: nanoseconds since 1970 of its last change.
    """

    uri: ObjectUri
    size: int
    mtime: int


@dataclass(frozen=True)
class ObjectStore:
    """One S3-compatible store.

    Attributes:
        endpoint: its address; None: that of the environment, else Amazon's.
        region: None: that of the environment, else the bucket's own.
        anonymous: ask without credentials.
    """

    endpoint: str | None = None
    region: str | None = None
    anonymous: bool = False

    @property
    def address(self) -> str:
        """Where it is reached, or "" for Amazon's."""
        stated = self.endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        return re.sub(r"//[^/@]*@", "//", stated or "")

    @property
    def host(self) -> str:
        """A name for its folder."""
        return re.sub(r"[^A-Za-z0-9.-]+", "-", urlsplit(self.address).netloc) or "aws"

    def look(self, uri: ObjectUri) -> RemoteObject | Literal["prefix"] | None:
        """The object of this name, or whether it is one that others begin with; None where there is nothing.

        Raises:
            ObjectStoreError: when the store cannot be asked.
            ObjectProblemError: when access is denied.
        """
        from pyarrow.fs import FileType

        info = self._try(uri, lambda: self._system(uri.bucket).get_file_info(uri.path))
        if info.type == FileType.NotFound:
            return None
        return "prefix" if info.type == FileType.Directory else _object(info)

    def listing(self, uri: ObjectUri, deep: bool = True) -> list[RemoteObject]:
        """Every object whose key begins with this prefix; not `deep`: only one part below, prefixes too.

        Raises:
            ObjectStoreError: when the store cannot be asked, or access is denied.
        """
        from pyarrow.fs import FileSelector, FileType

        selector = FileSelector(uri.path, recursive=deep, allow_not_found=True)
        try:
            infos = self._try(uri, lambda: self._system(uri.bucket).get_file_info(selector))
        except ObjectProblemError as error:
            raise ObjectStoreError(f"dataset.source {uri}: {error}; {self._fix()}") from error
        return [_object(info) for info in infos if info.type == FileType.File or not deep]

    def fetch(self, uri: ObjectUri, folder: Path) -> str:
        """Copy an object to `folder`/ab/abcdef…, named by its content; it is there whole or not at all.

        Returns:
            The digest of its bytes.

        Raises:
            ObjectProblemError: when the object is missing, denied or always changing.
            ObjectStoreError: when the store does not answer.
            StoreError: when the disk takes no more.
        """
        for _ in WAITS:
            temporary = folder / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
            try:
                digest = self._copied(uri, temporary)
                if digest:
                    _commit(temporary, content_path(folder, digest))
                    return digest
            except OSError as error:
                raise explain(error, folder) from error
            finally:
                with contextlib.suppress(OSError):
                    temporary.unlink()
        raise ObjectProblemError("is written over again and again while it is read")

    @cached_property
    def _systems(self) -> dict[str, S3FileSystem]:
        return {}

    def _system(self, bucket: str) -> S3FileSystem:
        """The way to a bucket; Amazon's lie in regions."""
        from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem, resolve_s3_region

        parts = urlsplit(self.address)
        region = self.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        region = region or ("us-east-1" if parts.netloc else None)
        key = region or bucket
        if key not in self._systems:
            self._systems[key] = S3FileSystem(
                endpoint_override=parts.netloc or None,
                scheme=parts.scheme or None,
                region=region or resolve_s3_region(bucket),
                anonymous=self.anonymous,
                connect_timeout=10,
                request_timeout=60,
                retry_strategy=AwsStandardS3RetryStrategy(max_attempts=2),
            )
        return self._systems[key]

    def _copied(self, uri: ObjectUri, temporary: Path) -> str:
        """Digest of what was copied, or "" when the object changed meanwhile."""
        source, size, tag = self._open(uri)
        with source, temporary.open("xb") as target:
            fcntl.flock(target, fcntl.LOCK_EX)  # says that this file is being written
            state, at = hashlib.sha256(), 0
            while at < size:
                block = self._try(uri, partial(source.read_at, min(BLOCK, size - at), at))
                if not block:
                    return ""
                state.update(block)
                at += target.write(block)
            target.flush()
            os.fsync(target.fileno())
        again, *now = self._open(uri)
        again.close()
        return state.hexdigest()[:DIGEST_LENGTH] if now == [size, tag] else ""

    def _open(self, uri: ObjectUri) -> tuple[NativeFile, int, bytes]:
        """The object with its size and its tag."""

        def ask() -> tuple[NativeFile, int, bytes]:
            file = self._system(uri.bucket).open_input_file(uri.path)
            metadata: dict[str, bytes] = file.metadata()
            return file, file.size(), metadata.get("ETag") or metadata.get("Last-Modified") or b""

        return self._try(uri, ask)

    def _try(self, uri: ObjectUri, ask: Callable[[], T]) -> T:
        for wait in (*WAITS, None):
            try:
                return ask()
            except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
                trouble = _trouble(error)
                if trouble in ("missing", "denied"):
                    words = {"missing": "no such object", "denied": "access denied"}[trouble]
                    raise ObjectProblemError(words) from error
                if isinstance(error, ValueError):
                    raise ObjectProblemError(f"cannot be named: {error}") from error
                if trouble == "other" or wait is None:
                    raise ObjectStoreError(f"{uri} cannot be read: {_said(error)}; {self._fix()}") from error
                time.sleep(wait * random.uniform(0.5, 1.5))
        raise AssertionError("the last try returns or raises")

    def _fix(self) -> str:
        where = f"the store at {self.address}" if self.address else "Amazon's stores"
        return (
            f"check that {where} can be reached (dataset.object_store.endpoint, or AWS_ENDPOINT_URL in the "
            "environment) and that AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY allow reading, then run the "
            "same command; what was fetched is kept"
        )


def content_path(folder: Path, digest: str) -> Path:
    """Where a content lies."""
    return folder / digest[:2] / digest


def sweep(folder: Path) -> None:
    """Remove unfinished files that no process is writing."""
    for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
        with contextlib.suppress(OSError), path.open("rb") as handle:
            if time.time() - os.fstat(handle.fileno()).st_mtime > ABANDONED:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def _commit(temporary: Path, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    if not path.exists() or path.stat().st_size != temporary.stat().st_size:
        temporary.rename(path)
        sync_folder(path.parent)


def _object(info: FileInfo) -> RemoteObject:
    bucket, _, key = info.path.partition("/")
    return RemoteObject(ObjectUri(bucket, key), info.size or 0, info.mtime_ns or 0)


def _trouble(error: Exception) -> Trouble:
    text = str(error)
    if isinstance(error, FileNotFoundError) or MISSING.search(text):
        return "missing"
    if isinstance(error, PermissionError) or DENIED.search(text):
        return "denied"
    return "passing" if isinstance(error, TimeoutError) or PASSING.search(text) else "other"


def _said(error: Exception) -> str:
    """What the store answered, without request numbers."""
    return re.sub(r" ?\(Request ID:[^)]*\)", "", str(error)).strip().rstrip(".")
