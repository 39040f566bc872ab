"""Rows of a dataset -> tensors, batches and text contexts, for training, held-out evaluation and sampling."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from ltx_core.assemble import Scales
from ltx_core.conditions.base import Modality
from ltx_core.config.root import TEXT_COLUMN
from ltx_core.geometry.units import audio_steps
from ltx_core.models.families import family_of
from ltx_core.models.text import Contexter
from ltx_core.stages.context import Context
from ltx_core.stages.dataset import filled_by
from ltx_core.stages.modalities import needed_modalities
from ltx_core.stages.text import Text, text_key
from ltx_core.store.dataset import Sample
from ltx_core.store.rows import Row
from ltx_core.training.data import Reader

CACHE_BYTES = 2 << 30
"""Tensors kept in memory; a dataset below this size is read from disk once."""
CONTEXTS_KEPT = 64
"""Text contexts kept on the device (16 MB each for a real LTX-2 in bf16)."""


Features = Callable[[], dict[str, Tensor]]


class Rows:
    """Tensors of a dataset's samples by clip and column, remembered within `CACHE_BYTES`."""

    def __init__(self, context: Context, samples: Sequence[Sample]) -> None:
        self.context = context
        self.samples = {sample.clip_id: sample for sample in samples}
        self._rows: dict[str, dict[str, Row]] = {}
        self._cache: OrderedDict[str, dict[str, Tensor]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()  # batches are read ahead in a thread

    def fetch(self, clip_id: str, column: str) -> Tensor | None:
        """The tensor of a clip's column, or None where the sample has none (no sound)."""
        key = self.samples[clip_id].columns.get(column)
        if key is None:
            return None
        (tensor,) = self._read(filled_by(self.context, column), key).values()
        return tensor

    def fps(self, clip_id: str) -> float:
        """A clip's own frame rate."""
        return self.samples[clip_id].fps

    def column_fps(self, clip_id: str, column: str) -> float:
        """Frame rate of a column's own content, as its row states it; the clip's where it states none."""
        sample = self.samples[clip_id]
        with self._lock:
            row = self._row(filled_by(self.context, column), sample.columns[column])
        return float(row.columns.get("fps") or sample.fps)

    def features(self, clip_id: str) -> dict[str, Tensor]:
        """Text features of a clip's caption."""
        return self._read(filled_by(self.context, TEXT_COLUMN), self.samples[clip_id].columns[TEXT_COLUMN])

    def prompt(self, text: str) -> dict[str, Tensor]:
        """Text features of a prompt that the text stage has encoded."""
        return self._read(Text.name, text_key(self.context, self.context.registry[Text.name], text))

    def audio_shape(self, clip_id: str) -> tuple[int, ...]:
        """Shape of the audio latents that a clip without sound would have."""
        info = self.context.info
        if info.audio_scale is None:
            return (0, 0, 0)
        steps = audio_steps(self.samples[clip_id].duration, info.audio_scale)
        return (info.audio_channels, steps, info.audio_bins)

    def reader(self) -> Reader:
        """Batches of the columns that the mode reads."""
        strategy = self.context.config.training_strategy
        own = {stream.latents_dir for stream in strategy.streams.values()}
        return Reader(
            samples=self,
            video=strategy.video.latents_dir if strategy.video is not None else None,
            audio=strategy.audio.latents_dir if strategy.audio is not None else None,
            columns=tuple(name for name in strategy.columns if name not in own),
            audio_shape=self.audio_shape,
        )

    def _read(self, stage: str, key: str) -> dict[str, Tensor]:
        with self._lock:
            return self._read_locked(stage, key)

    def _read_locked(self, stage: str, key: str) -> dict[str, Tensor]:
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        tensors = self.context.store.read(self._row(stage, key))
        self._cache[key] = tensors
        self._bytes += _size(tensors)
        while self._bytes > CACHE_BYTES and len(self._cache) > 1:
            self._bytes -= _size(self._cache.popitem(last=False)[1])
        return tensors

    def _row(self, stage: str, key: str) -> Row:
        if stage not in self._rows:
            self._rows[stage] = {row.row_key: row for row in self.context.store.rows(stage)}
        return self._rows[stage][key]


class Contexts:
    """Text contexts of batches: the frozen connectors, outside the graph, one result per distinct text."""

    def __init__(self, connectors: Contexter, modalities: Sequence[Modality], rows: Rows) -> None:
        self.connectors = connectors
        self.modalities = tuple(modalities)
        self.rows = rows
        self._cache: OrderedDict[str, dict[Modality, Tensor]] = OrderedDict()

    def __call__(self, clip_ids: Sequence[str | None]) -> dict[Modality, Tensor]:
        """Contexts `[B, S, D]` of some clips' captions; None is the empty prompt."""
        found = [self.prompt("") if clip is None else self._clip(clip) for clip in clip_ids]
        return {modality: torch.cat([one[modality] for one in found]) for modality in self.modalities}

    def prompt(self, text: str) -> dict[Modality, Tensor]:
        """Contexts `[1, S, D]` of a prompt."""
        return self._context(f"prompt {text}", lambda: self.rows.prompt(text))

    def _clip(self, clip_id: str) -> dict[Modality, Tensor]:
        key = self.rows.samples[clip_id].columns[TEXT_COLUMN]
        return self._context(key, lambda: self.rows.features(clip_id))

    def _context(self, key: str, features: Features) -> dict[Modality, Tensor]:
        if key not in self._cache:
            found = features()
            self._cache[key] = {m: self.connectors.context([found], m) for m in self.modalities}
            if len(self._cache) > CONTEXTS_KEPT:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        return self._cache[key]


def open_contexts(context: Context, rows: Rows, modalities: Sequence[Modality] | None = None) -> Contexts:
    """The contexts of the configured model and mode.

    Args:
        context: of the config.
        rows: the dataset.
        modalities: whose connectors are loaded; None: what training and samples of the config need.
    """
    models = context.models
    wanted = needed_modalities(context.config) if modalities is None else modalities
    connectors = family_of(context.info).load_connectors(context.info, models.device, models.dtype, wanted)
    trained = [name for name in context.config.training_strategy.streams if name in wanted]
    return Contexts(connectors, trained, rows)


def scales(context: Context) -> Scales:
    """The model's compression factors."""
    return Scales(context.info.video_scale, context.info.audio_scale)


def _size(tensors: Mapping[str, Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors.values())
