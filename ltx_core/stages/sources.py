"""sources: every media file probed without decoding; a bad file is set aside with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from ltx_core.media.treatment import PLAIN, Treatment
from ltx_core.stages.base import Item, Stage, pending, rejected, unusable
from ltx_core.stages.context import Context
from ltx_core.stages.scan import SourceFile
from ltx_core.store.rows import PendingRow

if TYPE_CHECKING:
    from ltx_core.media.probe import MediaInfo


class Sources(Stage):
    """One row per distinct content; a file's path is no part of it."""

    name: ClassVar[str] = "sources"
    version: ClassVar[int] = 2

    def section(self, context: Context) -> dict[str, Any]:
        """What a source is, where it is not a plain picture: sound in a mode without video, fields, HDR."""
        chosen = context.config.dataset.treatment
        section: dict[str, Any] = {} if chosen == PLAIN else {"treatment": asdict(chosen)}
        return section if context.config.training_strategy.video is not None else {**section, "sound": True}

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

        pictures = context.config.training_strategy.video is not None
        kinds = ("video", "image") if pictures else ("video", "audio")
        treatment = context.config.dataset.treatment
        for item in items:
            source: SourceFile = item.payload
            if source.problem:
                yield rejected(item, source.problem)
                continue
            try:
                info = probe(source.path)
                source.check()
            except MediaError as error:
                reason = unusable(error)
                source.check()  # a file that is being written over is no damaged one
                yield rejected(item, reason)
                continue
            reason = _refused(info, kinds, treatment)
            if reason:
                yield rejected(item, reason)
                continue
            facts = {**asdict(info), "treatment": treatment.applied(info) if pictures else ""}
            yield pending(item, columns=facts, content={"bytes": source.digest, **facts})


def _refused(info: MediaInfo, kinds: tuple[str, ...], treatment: Treatment) -> str:
    """Why a file that can be read is no source, or ""."""
    if info.kind not in kinds:
        return f"{info.kind}, not a video" if "image" in kinds else f"{info.kind}, not a {' or '.join(kinds)}"
    if "image" not in kinds:  # its sound is used, not its pictures
        return ""
    reason = treatment.refusal(info)
    if info.hdr and reason:
        return f"{reason}, or set `dataset.hdr: tonemap`"
    return f"{reason}, or set `dataset.interlaced: deinterlace`" if reason else ""


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
