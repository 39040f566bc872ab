"""The scenes of all sources as sizes and lengths, counted: what buckets are chosen from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ltx_core.curation.buckets_held import Stretch
from ltx_core.stages.context import Context
from ltx_core.store.rows import Row

Size = tuple[int, int]


def footage_of(context: Context) -> Counter[Stretch]:
    """How many scenes there are of each size and length; stills have one frame.

    Raises:
        NotReadyError: when scenes are not known yet.
    """
    facts = {item.clip_id: row.columns for item, row in context.results("sources")}
    found = Counter[Stretch]()
    for item, row in context.results("scenes"):
        if row.ok:
            found.update(_stretches(context, facts[item.clip_id], row))
    return found


def _stretches(context: Context, facts: Mapping[str, Any], row: Row) -> Iterator[Stretch]:
    from ltx_core.curation.cutting.scene import Borders, Scene
    from ltx_core.curation.cutting.windows import held_frames, scene_parts

    dataset = context.config.dataset
    if facts["kind"] == "audio":
        return
    scenes = [
        Scene(**{**one, "borders": None if one["borders"] is None else Borders(**one["borders"])})
        for one in row.columns["scenes"]
    ]  # without the times of frames: what is trimmed is counted as if frames were evenly spread
    if facts["kind"] == "image":
        for scene in scenes:
            yield Stretch(*_size(context, facts, scene.borders), 1)
        return
    for part, useless in scene_parts(scenes, dataset.scenes):
        held = held_frames(part.duration, dataset.fps)
        if not useless and held > 1:
            yield Stretch(*_size(context, facts, part.borders), held)


def _size(context: Context, facts: Mapping[str, Any], borders: Any) -> Size:
    """Width and height within the borders, where they are cut off."""
    width, height = facts["width"], facts["height"]
    if borders is None or context.config.dataset.scenes.letterbox == "keep":
        return width, height
    return width - borders.left - borders.right, height - borders.top - borders.bottom
