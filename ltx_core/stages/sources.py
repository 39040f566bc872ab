"""sources: every media file probed without decoding; a bad file is set aside with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from ltx_core.stages.base import Item, Stage, pending, rejected, unusable
from ltx_core.stages.context import Context
from ltx_core.stages.scan import SourceFile
from ltx_core.store.rows import PendingRow


class Sources(Stage):
    """One row per distinct content; a file's path is no part of it."""

    name: ClassVar[str] = "sources"

    def section(self, context: Context) -> dict[str, Any]:
        """Whether sound alone is a source: in a mode without video."""
        return {} if context.config.training_strategy.video is not None else {"sound": True}

    def items(self, context: Context) -> list[Item]:
        """Files of equal bytes are one source."""
        return [
            Item(self.key(context, [source.digest]), source.digest, source.name, payload=source)
            for source in first_files(context).values()
        ]

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Probe each file."""
        from ltx_core.media.errors import MediaError
        from ltx_core.media.probe import probe

        kinds = ("video",) if context.config.training_strategy.video is not None else ("video", "audio")
        for item in items:
            source: SourceFile = item.payload
            if source.problem:
                yield rejected(item, source.problem)
                continue
            try:
                info = probe(source.path)
            except MediaError as error:
                yield rejected(item, unusable(error))
                continue
            if info.kind not in kinds:
                yield rejected(item, f"{info.kind}, not a {' or '.join(kinds)}")
            else:
                facts = asdict(info)
                yield pending(item, columns=facts, content={"bytes": source.digest, **facts})


def first_files(context: Context) -> dict[str, SourceFile]:
    """The file of each distinct content: the first by name, or the first line of a dataset file."""

    def find() -> dict[str, SourceFile]:
        unique: dict[str, SourceFile] = {}
        for source in context.sources:
            unique.setdefault(source.digest, source)
        return unique

    return context.memo("first files", find)


def repeated_files(context: Context) -> list[tuple[str, str]]:
    """(name, reason) of every further file, or line of a dataset file, with the bytes of an earlier one."""
    first = first_files(context)
    return [
        (source.name, f"same content as {first[source.digest].name}, which is used")
        for source in context.sources
        if source is not first[source.digest]
    ]
