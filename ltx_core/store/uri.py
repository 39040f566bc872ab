"""Names of objects in S3-compatible stores: `s3://bucket/key`."""

from __future__ import annotations

import re
from dataclasses import dataclass

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://?")
"""What a URI begins with; one slash is what a path made of a URI keeps of two."""
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]+")


class UriError(ValueError):
    """A URI that names no object: what was found, the rule, the fix. It quotes no secret."""


def is_uri(text: str) -> bool:
    """Whether text begins like a URI."""
    return SCHEME.match(text) is not None


@dataclass(frozen=True, order=True)
class ObjectUri:
    """An object, or all whose keys begin with `key` and a slash.

    Attributes:
        bucket: its bucket.
        key: without slashes at either end; "" is the whole bucket.
    """

    bucket: str
    key: str = ""

    @classmethod
    def parse(cls, text: str) -> ObjectUri:
        """The object that `s3://bucket/key` names.

        Raises:
            UriError: when it is another kind of address, or holds no bucket.
        """
        scheme, _, rest = text.partition(":")
        rest = rest.lstrip("/").strip()
        bucket, _, key = rest.partition("/")
        if scheme.lower() not in ("s3", "s3a", "s3n"):
            raise UriError(f"{scheme}:// is no address of an object store; write s3://bucket/prefix")
        if "@" in bucket or ":" in bucket:
            raise UriError(
                "is an address with a name, a password or a port, which a config may not hold; write "
                "s3://bucket/prefix, with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment "
                "and the host in dataset.object_store.endpoint"
            )
        if not BUCKET.fullmatch(bucket):
            raise UriError(f"s3://{bucket}: {bucket!r} is no bucket's name; write s3://bucket/prefix")
        return cls(bucket, key.strip("/"))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}" if self.key else f"s3://{self.bucket}"

    @property
    def path(self) -> str:
        """`bucket/key`."""
        return f"{self.bucket}/{self.key}" if self.key else self.bucket

    @property
    def name(self) -> str:
        """The last part of the key, or the bucket."""
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> ObjectUri:
        """What it lies in."""
        return ObjectUri(self.bucket, self.key.rpartition("/")[0])

    def __truediv__(self, relative: str) -> ObjectUri:
        parts: list[str] = [part for part in self.key.split("/") if part]
        for part in relative.split("/"):
            if part == "..":
                if not parts:
                    raise UriError(f"{relative!r} leads out of the bucket {self.bucket}; write a path inside")
                parts.pop()
            elif part not in ("", "."):
                parts.append(part)
        return ObjectUri(self.bucket, "/".join(parts))
