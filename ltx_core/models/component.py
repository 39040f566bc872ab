"""A component of a model, whatever layout it lies in: its config, where each of its weights is, its identity.

Design choices
- Config and names are those of the library that runs the component (diffusers, transformers). A layout is
  read by one function that makes components; whatever comes after does not know of layouts.
- Only headers are read until a weight is asked for, and a weight is read alone: no file is ever held whole.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

Span = tuple[Path, int, int]
"""Bytes of a file: where they begin and end."""


@dataclass(frozen=True)
class Stored:
    """A weight in a safetensors file.

    Attributes:
        file: the file.
        key: its name there.
        shape: of the tensor.
        dtype: safetensors' name of its type, as `BF16`.
        begin, end: its bytes within the file.
    """

    file: Path
    key: str
    shape: tuple[int, ...]
    dtype: str = "F32"
    begin: int = 0
    end: int = 0

    def read(self) -> Tensor:
        """The tensor on the CPU, over the file's mapped memory.

        Raises:
            OSError, SafetensorError: when the file cannot be read or is damaged.
        """
        from safetensors import safe_open

        with safe_open(self.file, "pt") as handle:
            return self.take(handle)

    def take(self, handle: Any) -> Tensor:
        """The tensor out of its opened file (of `safe_open`)."""
        found: Tensor = handle.get_tensor(self.key)
        return found

    @property
    def spans(self) -> tuple[Span, ...]:
        """The bytes that it is made of."""
        return ((self.file, self.begin, self.end),)

    def read_bytes(self) -> bytes:
        """The tensor's bytes as they lie in the file."""
        with self.file.open("rb") as handle:
            handle.seek(self.begin)
            return handle.read(self.end - self.begin)


@dataclass(frozen=True)
class Component:
    """One of a model's parts.

    Attributes:
        name: as diffusers calls its folder: `transformer`, `vae`, `text_encoder`, ...
        place: the folder or file that it lies in, for messages.
        identify: gives its fingerprint: what its numbers depend on, wherever it lies.
        read_config: gives its JSON config in the library's form.
        list_weights: gives its weights by the library's names; nothing for one without weights.
        assets: files of a component without weights that lie inside another file: name -> its bytes.
    """

    name: str
    place: Path
    identify: Callable[[], str] = field(repr=False)
    read_config: Callable[[], dict[str, Any]] = field(repr=False)
    list_weights: Callable[[], Mapping[str, Stored]] = field(repr=False)
    assets: Mapping[str, Callable[[], bytes]] = field(default_factory=dict, repr=False)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The component's config.

        Raises:
            ModelError: when it is missing or no JSON object.
        """
        return self.read_config()

    @property
    def weights(self) -> Mapping[str, Stored]:
        """Its weights by name, as the files are now (their headers are remembered while they stay).

        Raises:
            ModelError: when a file is damaged or missing.
        """
        return self.list_weights()

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder with the component's files, for a library that reads only folders (a tokenizer's)."""
        if not self.assets:
            yield self.place
            return
        with tempfile.TemporaryDirectory(prefix="ltx-") as name:
            for file, read in self.assets.items():
                (Path(name) / file).write_bytes(read())
            yield Path(name)
