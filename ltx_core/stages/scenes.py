"""scenes: the shots of every source, found in the one pass that decodes it whole; no file is written.

One row per source holds its scenes as exact ranges: of frames, or of samples of a file without pictures.
Beside them lie the time of every frame and what else was measured in the pass, as series over the film.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from ltx_core.curation.measures import MEASURES_VERSION
from ltx_core.curation.options.scenes import DETECTION, ENDS
from ltx_core.stages.base import Item, Stage, pending, rejected, unusable
from ltx_core.stages.context import Context
from ltx_core.store.rows import PendingRow, Row

if TYPE_CHECKING:
    from torch import Tensor

    from ltx_core.curation.cutting.scene import Scene
    from ltx_core.curation.observe import Observer
    from ltx_core.stages.scan import SourceFile

TIMES = "times"
"""The tensor of a row that holds the presentation time of every frame in seconds, float64 `[frames]`."""
STORED = ("start_frame", "end_frame", "start_s", "end_s", "clear_start", "clear_end", "borders")
"""What a row holds of a scene."""


class Scenes(Stage):
    """Scene detection."""

    name: ClassVar[str] = "scenes"

    def section(self, context: Context) -> dict[str, Any]:
        """Options of the detection that differ from their defaults, and what else is measured; borders are
        measured only where pictures are used."""
        stated = context.config.dataset.scenes.stated(DETECTION)
        pictures: dict[str, Any] = {} if _with_pictures(context) else {"borders": False}
        return {"scenes": stated, "measures": MEASURES_VERSION, **pictures}

    def items(self, context: Context) -> list[Item]:
        """One per source that can be read."""
        cut_off = bool(context.config.dataset.scenes.stated(ENDS))
        found = []
        for item, row in context.results("sources"):
            if row.ok:
                # A mark, as older rows of stills say that these options leave nothing of them.
                mark = ["whole"] if cut_off and row.columns["kind"] == "image" else []
                key = self.key(context, [row.content_digest, *mark])
                found.append(Item(key, item.clip_id, item.name, (row.row_key,), item.payload))
        return found

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Find the scenes of each source."""
        from ltx_core.media.errors import MediaError

        facts = {item.clip_id: row for item, row in context.results("sources")}
        for item in items:
            try:
                yield _watched(context, item, facts[item.clip_id].columns)
            except MediaError as error:
                yield rejected(item, unusable(error))


def _with_pictures(context: Context) -> bool:
    return context.config.training_strategy.video is not None


def _watched(context: Context, item: Item, facts: Mapping[str, Any]) -> PendingRow:
    """The row of one source."""
    if facts["kind"] == "audio":
        whole = _whole_sound(item.payload, int(facts["audio_rate"]))
        sound = _sound_series(item.payload, facts)
        return pending(item, columns={"scenes": [_stored(whole)]}, tensors=sound)
    import torch

    from ltx_core.curation.scenes import watch_film

    dataset = context.config.dataset
    treatment = dataset.treatment if _with_pictures(context) else None
    found = watch_film(item.payload.path, dataset.scenes, observers(context), treatment)
    sound = _sound_series(item.payload, facts)
    series = {TIMES: found.times, **found.series}
    return pending(
        item,
        columns={"scenes": [_stored(scene) for scene in found.scenes]},
        tensors={name: torch.from_numpy(values) for name, values in series.items()} | sound,
    )


def observers(context: Context) -> list[Observer]:
    """What measures in the source pass beside the detectors, made anew for each film."""
    from ltx_core.curation.measures.film import FilmMeasures

    del context
    return [FilmMeasures()]


def _sound_series(source: SourceFile, facts: Mapping[str, Any]) -> dict[str, Tensor]:
    """What was measured of a source's sound; nothing where it has none."""
    import torch

    from ltx_core.curation.measures.sound import measure_sound

    series = measure_sound(source.path) if facts["has_audio"] else {}
    source.check()
    return {name: torch.from_numpy(values) for name, values in series.items()}


def _stored(scene: Scene) -> dict[str, Any]:
    facts = asdict(scene)
    return {name: facts[name] for name in STORED}


def _whole_sound(source: SourceFile, rate: int) -> Scene:
    """A sound as one scene, its range counted in samples from time 0 on."""
    from ltx_core.curation.cutting.scene import Scene
    from ltx_core.media.audio import sound_span

    start, end = sound_span(source.path)
    source.check()
    return Scene(round(start * rate), round(end * rate), start, end)


def scenes_of(context: Context, row: Row) -> list[Scene]:
    """The scenes that a row holds, with the times of their frames."""
    from ltx_core.curation.cutting.scene import Borders, Scene

    times: list[float] = []
    if any(tensor.name == TIMES for tensor in row.tensors):
        times = context.store.tensor(row, TIMES).tolist()
    found = []
    for one in row.columns["scenes"]:
        borders = None if one["borders"] is None else Borders(**one["borders"])
        inside = tuple(times[one["start_frame"] : one["end_frame"]])
        found.append(Scene(**{**one, "times": inside, "borders": borders}))
    return found
