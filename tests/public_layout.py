"""Rows of a dataset written as the public trainer writes prepared data: a folder per column, `.pt` files."""

from __future__ import annotations

from pathlib import Path

import torch

from ltx_core.stages.batches import Rows

PADDED = 64
"""Tokens that text features are padded to here, on the left (the public trainer: 1024)."""


def export(rows: Rows, folder: Path, names: dict[str, str], suffix: str = ".pt") -> Path:
    """Write the samples `names` (clip id -> name) into `folder/.precomputed`; returns `folder`."""
    for clip_id, name in names.items():
        for column in rows.samples[clip_id].columns:
            path = folder / ".precomputed" / column / f"{name}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(_content(rows, clip_id, column), path)
    return folder


def _content(rows: Rows, clip_id: str, column: str):
    if column == "conditions":
        return padded(rows.features(clip_id))
    tensor = rows.fetch(clip_id, column)
    if column.endswith("masks"):
        return tensor
    if "audio" in column:
        facts = {"num_time_steps": tensor.shape[1], "frequency_bins": tensor.shape[2]}
        return {"latents": tensor, **facts, "duration": rows.samples[clip_id].duration}
    frames, height, width = tensor.shape[1:]
    facts = {"num_frames": frames, "height": height, "width": width}
    return {"latents": tensor, **facts, "fps": rows.column_fps(clip_id, column)}


def padded(features: dict[str, torch.Tensor], length: int = PADDED) -> dict[str, torch.Tensor]:
    """Text features as the public trainer keeps them: left-padded, with a mask, for both modalities."""
    video = features["video"]
    mask = torch.zeros(length, dtype=torch.bool)
    mask[-len(video) :] = True
    found = {"prompt_attention_mask": mask}
    for name, value in (("video", video), ("audio", features.get("audio", video))):
        whole = torch.zeros(length, value.shape[1], dtype=value.dtype)
        whole[-len(value) :] = value
        found[f"{name}_prompt_embeds"] = whole
    return found
