"""What a kind of reference or mask is: its options, what makes it, and the models that it needs.

Design choices
- A kind is one file: a frozen dataclass of its options, a function that makes it, and a `Kind` that says so.
  The lists (`referencing/kinds.py`, `masking/kinds.py`) are written by hand; the config's options, its
  checks, the rows' keys and the docs' tables follow from them.
- A row's key has the options of its own kind alone: those of other kinds may stand in a config unread.
- A model is loaded by the kind and handed in, so that a process loads it once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

FILE = "file"
"""The kind that the dataset file gives."""
Folders = Mapping[str, Path]
"""Option -> the folder of the model that it names."""


@dataclass(frozen=True)
class ModelOption:
    """An option that names a model's folder or its repository in the hub.

    Attributes:
        name: of the option.
        default: repository that is taken where the option is left out.
        wanted: whether the kind uses it, given its options.
    """

    name: str
    default: str
    wanted: Callable[[Any], bool] = lambda options: True


@dataclass(frozen=True)
class Kind:
    """One kind.

    Attributes:
        name: as in a config.
        summary: one line for the docs' table.
        options: frozen dataclass of the options that it alone reads.
        make: makes it; its arguments differ between references and masks, of video and of sound. None: a
            file is given.
        models: options that name models.
        load: the models, from their folders, on a device.
        check: refuses options that make no sense together, by ValueError.
        function: option that names a user's own function, or "".
        of_clip: whether it is made of the clip's own frames or sound; else it is drawn, or a file.
        keyed: its name in keys of rows where that is another: rows of older stores stay.
        aliases: other names in a config.
    """

    name: str
    summary: str
    options: type[Any]
    make: Callable[..., Any] | None = None
    models: tuple[ModelOption, ...] = ()
    load: Callable[[Folders, torch.device], Any] | None = None
    check: Callable[[Any], None] = lambda options: None
    function: str = ""
    of_clip: bool = True
    keyed: str = ""
    aliases: tuple[str, ...] = ()

    def own(self, options: Any) -> dict[str, Any]:
        """The values of its own options."""
        return {found.name: getattr(options, found.name) for found in fields(self.options)}


@dataclass(frozen=True)
class Work:
    """What a kind may use beside a clip's frames or sound.

    Attributes:
        clip_id: source of everything random.
        model: what the kind's `load` gave, or None.
    """

    clip_id: str
    model: Any = None


@dataclass(frozen=True)
class Kinds:
    """A hand-written list of kinds, found by their names."""

    listed: tuple[Kind, ...]
    by_name: Mapping[str, Kind] = field(init=False)

    def __post_init__(self) -> None:
        found = {name: kind for kind in self.listed for name in (kind.name, *kind.aliases)}
        object.__setattr__(self, "by_name", found)

    def __getitem__(self, name: str) -> Kind:
        return self.by_name[name]

    def of_frames(self, name: str) -> bool:
        """Whether a kind is made of frames alone. One with a model of its own takes its turn by itself: on a
        GPU one model is resident at a time."""
        kind = self[name]
        return kind.of_clip and kind.load is None

    @property
    def names(self) -> tuple[str, ...]:
        """All names that a config may state, aliases included."""
        return tuple(self.by_name)

    def check(self, name: str | None, options: Any, default: str) -> None:
        """Refuse options that make no sense for the stated kind; for what a kind left out may become.

        Raises:
            ValueError: naming the option.
        """
        for stated in (default, FILE) if name is None else (name,):
            self[stated].check(options)


def kinds_table(kinds: Kinds) -> str:
    """A table for the docs: each kind, what it is, its options with their defaults."""
    rows = [(_names(kind), kind.summary, _options(kind)) for kind in kinds.listed]
    return table(("kind", "what it is", "options"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows))


def _names(kind: Kind) -> str:
    return ", ".join(f"`{name}`" for name in (kind.name, *kind.aliases))


def _options(kind: Kind) -> str:
    defaults = {option.name: option.default for option in kind.models}
    found = []
    for one in fields(kind.options):
        value = defaults.get(one.name) or one.default
        shown = str(value).lower() if isinstance(value, bool) else value
        found.append(f"`{one.name}`" if value in (None, "") else f"`{one.name}: {shown}`")
    return ", ".join(found) or "–"
