"""A workspace whose data stages are all committed, for any number of clips: rows as the stages write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from ltx_core.config import Config, build
from ltx_core.curation.cutting.windows import Cut
from ltx_core.media.probe import MediaInfo
from ltx_core.run import Pipeline
from ltx_core.stages.base import Item, pending
from ltx_core.stages.latents import clip_columns
from ltx_core.stages.scores import COLUMNS
from ltx_core.store.rows import PendingRow

ROOT = Path(__file__).parents[1]
FACTS = MediaInfo("video", 640, 360, 24.0, 27, 1.125, video_codec="h264", has_audio=True, audio_rate=48000)
CUT = asdict(Cut(1, 0.0, 1.125, 0, 27))
SCENE: dict[str, Any] = {"start_frame": 0, "end_frame": 27, "start_s": 0.0, "end_s": 1.125}
SCENE |= {"clear_start": None, "clear_end": None, "borders": None}
SCORES: dict[str, Any] = {
    **dict.fromkeys(COLUMNS),
    **{"kind": "video", "has_sound": True, "shot": 0, "luma": 0.5, "luma_high": 0.9, "black_share": 0.0},
    **{"sharpness": 0.5, "motion": 0.1, "frozen_share": 0.0, "border_share": 0.0},
    **{"sound_dbfs": -20.0, "sound_peak": 0.5, "silence_share": 0.0, "clipped_share": 0.0},
}
Columns = Callable[[Item], dict[str, Any]]


def config_of(folder: Path) -> Config:
    """The demo's options on the synthetic source of `folder`."""
    raw: dict[str, Any] = {
        "workspace": str(folder / "workspace"),
        "model": {"model_path": str(ROOT / "data" / "model")},
        "dataset": {
            "source": str(folder / "films"),
            "buckets": ["64x64x9"],
            "fps": 8,
            "captions": {"captioner": "describe"},
        },
    }
    return build(raw, folder, "synthetic")


def make_workspace(folder: Path, clips: int) -> Config:
    """`clips` films of one clip each, and the committed rows of every data stage."""
    films = folder / "films"
    films.mkdir(parents=True, exist_ok=True)
    for number in range(clips):
        (films / f"{number:06d}.mp4").write_bytes(f"film {number}".encode())
        (films / f"{number:06d}.txt").write_text(f"clip number {number} of a synthetic folder")
    config = config_of(folder)
    pipeline = Pipeline(config)
    for stage in pipeline.stages("dataset"):
        _commit(pipeline, stage)
    return config


def _commit(pipeline: Pipeline, stage: str) -> None:
    """Write the rows of one stage in its chunks; the dataset is computed by its own code."""
    plan, context = pipeline.plan(stage), pipeline.context
    items = {item.key: item for item in context.items(stage)}
    spec = pipeline.registry[stage]
    for chunk in plan.chunks:
        if spec.single:
            pipeline.compute(stage, chunk)
        else:
            context.store.write(spec.meta(context), list(_rows(stage, [items[key] for key in chunk])))


def _rows(stage: str, items: Sequence[Item]) -> Iterator[PendingRow]:
    for item in items:
        yield pending(item, **ROWS[stage](item))


def _hashes(clip_id: str) -> list[int]:
    """Five perceptual hashes that no other clip has."""
    return [int(sha256(f"{clip_id} {n}".encode()).hexdigest()[:15], 16) for n in range(5)]


def _clip(item: Item) -> dict[str, Any]:
    columns = clip_columns(item.payload)
    return {"tensors": {"latents": torch.zeros(4, dtype=torch.bfloat16)}, "columns": columns}


ROWS: dict[str, Columns] = {
    "sources": lambda item: {
        "columns": {**asdict(FACTS), "source_fps": 24.0, "treatment": ""},
        "content": {"bytes": item.payload.digest, **asdict(FACTS)},
    },
    "scenes": lambda item: {
        "columns": {"scenes": [SCENE]},
        "tensors": {"luma": torch.zeros(27)},
        "content": {"film": item.clip_id},
    },
    "clips": lambda item: {"columns": {"scenes": 1, "cuts": [CUT]}},
    "scores": lambda item: {"columns": {**SCORES, "hashes": _hashes(item.clip_id)}},
    "captions": lambda item: {
        "columns": {"caption": item.payload.text, "caption_source": item.payload.source, "facts": "{}"},
        "content": {"caption": item.payload.text},
    },
    "text": lambda item: {
        "tensors": {"video": torch.zeros(2, dtype=torch.bfloat16)},
        "columns": {"text": item.payload, "tokens": 2, "dropped_tokens": 0},
    },
    "latents": _clip,
    "audio_latents": _clip,
}
"""Stage -> what its row holds, for one item."""
