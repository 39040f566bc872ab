"""scenes: the shots of every source, found in the one pass that decodes it whole; no file is written.

One row per source holds its scenes as exact ranges: of frames, or of samples of a file without pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from ltx_core.stages.base import Item, Stage, pending, rejected, unusable
from ltx_core.stages.context import Context
from ltx_core.store.rows import PendingRow

if TYPE_CHECKING:
    from ltx_core.curation.scenes import Scene

SCENE = ("start_frame", "end_frame", "start_s", "end_s")
"""What a row holds of a scene; its frames' times are those of the file."""


class Scenes(Stage):
    """Scene detection."""

    name: ClassVar[str] = "scenes"

    def section(self, context: Context) -> dict[str, Any]:
        """Options of the detection."""
        return {"scenes": asdict(context.config.dataset.scenes)}

    def items(self, context: Context) -> list[Item]:
        """One per source that can be read."""
        return [
            Item(
                self.key(context, [row.content_digest]), item.clip_id, item.name, (row.row_key,), item.payload
            )
            for item, row in context.results("sources")
            if row.ok
        ]

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Find the scenes of each source."""
        from ltx_core.curation.scenes import detect_scenes
        from ltx_core.media.errors import MediaError

        facts = {item.clip_id: row for item, row in context.results("sources")}
        for item in items:
            found = facts[item.clip_id].columns
            try:
                if found["kind"] == "audio":
                    scenes = [_whole_sound(item.payload, int(found["audio_rate"]))]
                else:
                    scenes = detect_scenes(item.payload.path, context.config.dataset.scenes)
            except MediaError as error:
                yield rejected(item, unusable(error))
                continue
            kept = [{name: getattr(scene, name) for name in SCENE} for scene in scenes]
            yield pending(item, columns={"scenes": kept})


def _whole_sound(source: Any, rate: int) -> Scene:
    """A sound as one scene, its range counted in samples from time 0 on."""
    from ltx_core.curation.scenes import Scene
    from ltx_core.media.audio import sound_span

    start, end = sound_span(source.path)
    source.check()
    return Scene(round(start * rate), round(end * rate), start, end)
