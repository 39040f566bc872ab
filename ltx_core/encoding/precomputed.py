"""Files that the public trainer prepared (`.pt`) -> the store's own tensors.

Design choices
- Only tensors, numbers and text are read (`weights_only`): a file that wants to run code is a bad file.
- Numbers stay as the file has them, to the bit; float64 becomes float32.
- Text features are those before the connectors, padded with a mask; kept are the valid tokens alone, which
  give the same contexts (`models/text.py`).
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ltx_core.encoding.precomputed_shapes import Kind, Shapes
from ltx_core.geometry.grid import DEFAULT_FPS
from ltx_core.media.errors import MediaError, MediaGoneError

KEPT = (torch.bfloat16, torch.float16, torch.float32)
"""Number formats that are stored as they are."""


@dataclass(frozen=True)
class Prepared:
    """One file's tensors by name, and the columns of its row."""

    tensors: dict[str, Tensor]
    columns: dict[str, Any] = field(default_factory=dict)


def read_prepared(path: Path, kind: Kind, shapes: Shapes, threshold: float | None = None) -> Prepared:
    """The content of a file.

    Args:
        path: the file.
        kind: what it should hold.
        shapes: what the model takes.
        threshold: makes masks binary; None keeps soft values.

    Raises:
        MediaError: when it is damaged, or not what the model takes; the reason fits into a table.
        MediaGoneError: when it cannot be reached.
    """
    data = _load(path)
    try:
        return _converted(data, kind, shapes, threshold)
    except (RuntimeError, TypeError, ValueError, ArithmeticError) as error:  # a tensor of a form nobody meant
        raise MediaError(f"cannot be read as {kind.replace('_', ' ')} ({type(error).__name__})") from error


def _converted(data: Any, kind: Kind, shapes: Shapes, threshold: float | None) -> Prepared:
    if kind == "video":
        return _video(data, shapes)
    if kind == "audio":
        return _audio(data, shapes)
    return _text(data, shapes) if kind == "text" else _mask(data, kind, threshold)


def _load(path: Path) -> Any:
    try:
        blob = path.read_bytes()
    except OSError as error:
        raise MediaGoneError(f"unreadable: {error.strerror or error}", path) from error
    if not blob:
        raise MediaError("empty file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old pickle protocols
            return torch.load(io.BytesIO(blob), map_location="cpu", weights_only=True)
    except Exception as error:
        raise MediaError(_damage(error)) from error


def _damage(error: Exception) -> str:
    """Why a file cannot be loaded, in a few words; torch's own advice (to trust the file) is left out."""
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    if found is not None:
        return f"holds {found[1]}, which is code or no tensor; only tensors, numbers and text are read"
    return f"damaged, or not written by torch.save ({type(error).__name__})"


def _video(data: Any, shapes: Shapes) -> Prepared:
    latents, facts = _numbers(data, "latents")
    latents = _without_batch(latents, 4)
    stated = [_whole(facts, name) for name in ("num_frames", "height", "width")]
    if latents.ndim == 2:  # the older form: tokens [F*H*W, C]
        frames, height, width = (value or 0 for value in stated)
        if frames * height * width != len(latents):
            raise MediaError(
                f"{_shape(latents)} tokens, with num_frames, height, width {stated}: their product must be "
                "the number of tokens"
            )
        latents = latents.reshape(frames, height, width, -1).permute(3, 0, 1, 2)
    if latents.ndim != 4 or 0 in latents.shape:
        raise MediaError(f"video latents {_shape(latents)}; they must be [C, F, H, W]")
    channels, frames, height, width = latents.shape
    if channels != shapes.video_channels:
        raise _other_model(f"{channels} channels", f"{shapes.video_channels}")
    if any(value not in (None, size) for value, size in zip(stated, (frames, height, width), strict=True)):
        raise MediaError(f"says {stated} latent frames, rows, columns and holds {[frames, height, width]}")
    pixels = (width * shapes.width, height * shapes.height, (frames - 1) * shapes.time + 1)
    fps = _positive(facts, "fps") or DEFAULT_FPS
    names = dict(zip(("width", "height", "frames"), pixels, strict=True))
    bucket = "x".join(str(size) for size in pixels)
    columns = {"bucket": bucket, **names, "fps": fps, "duration": pixels[2] / fps}
    return Prepared({"latents": _own(latents)}, columns)


def _audio(data: Any, shapes: Shapes) -> Prepared:
    if not shapes.audio_channels:
        raise _other_model("audio latents", "none: it has no audio")
    latents, facts = _numbers(data, "latents")
    latents = _without_batch(latents, 3)
    channels, bins = shapes.audio_channels, shapes.audio_bins
    if latents.ndim == 2 and latents.shape[1] == channels * bins:  # tokens [T, c*m]
        latents = latents.reshape(-1, channels, bins).transpose(0, 1)
    if latents.ndim != 3 or (latents.shape[0], latents.shape[2]) != (channels, bins):
        raise _other_model(f"audio latents {_shape(latents)}", f"[{channels}, T, {bins}]")
    steps = latents.shape[1]
    stated = _whole(facts, "num_time_steps")
    if steps == 0 or stated not in (None, steps):
        raise MediaError(f"says {stated} time steps and holds {steps}")
    seconds = steps / shapes.audio_rate
    return Prepared({"latents": _own(latents)}, {"bucket": f"{seconds:g}s", "duration": seconds})


def _text(data: Any, shapes: Shapes) -> Prepared:
    facts = data if isinstance(data, Mapping) else {}
    name = "video_prompt_embeds" if "video_prompt_embeds" in facts else "prompt_embeds"
    mask = facts.get("prompt_attention_mask")
    if name not in facts or not isinstance(mask, Tensor):
        raise MediaError(
            f"holds {_listing(data)}; a caption's file has video_prompt_embeds (or prompt_embeds) and "
            "prompt_attention_mask"
        )
    keep = _valid(mask)
    tensors = {"video": _features(facts[name], keep, shapes.text[0])}
    audio = facts.get("audio_prompt_embeds")
    if audio is not None:
        own = _features(audio, keep, shapes.text[1])
        if shapes.own_audio_text or own.dtype != tensors["video"].dtype or not own.equal(tensors["video"]):
            tensors["audio"] = own
    elif shapes.own_audio_text:
        raise _other_model("no audio_prompt_embeds", f"{shapes.text[1]} features a token for audio")
    tokens = len(tensors["video"])
    if not 0 < tokens <= shapes.text_tokens:
        raise _other_model(f"{tokens} valid tokens", f"1 to {shapes.text_tokens}")
    text = next((facts[key] for key in ("caption", "prompt") if isinstance(facts.get(key), str)), "")
    return Prepared(tensors, {"tokens": tokens, "text": text})


def _valid(mask: Tensor) -> Tensor:
    """Which tokens are the caption's own `[S]`; padding may lie on either side."""
    flat = mask[0] if mask.ndim == 2 and len(mask) == 1 else mask
    if flat.ndim != 1 or not bool(((flat == 0) | (flat == 1)).all()):
        raise MediaError(f"prompt_attention_mask {_shape(mask)}; it must be [S] of 0 and 1")
    return flat.bool()


def _features(value: Any, keep: Tensor, width: int) -> Tensor:
    found, _ = _numbers(value, "prompt_embeds")
    found = _without_batch(found, 2)
    if found.ndim != 2 or len(found) != len(keep):
        raise MediaError(f"text features {_shape(found)} with a mask of {len(keep)} tokens; give [S, D]")
    if found.shape[1] != width:
        raise _other_model(f"text features of width {found.shape[1]}", f"{width}")
    return _own(found[keep])


def _mask(data: Any, kind: Kind, threshold: float | None) -> Prepared:
    value = data.get("mask") if isinstance(data, Mapping) else data
    axes = 3 if kind == "video_mask" else 1
    if not isinstance(value, Tensor):
        raise MediaError(f"holds {_listing(data)}; a mask is a tensor, or a dict with the key mask")
    value = _without_batch(value, axes)
    if value.ndim != axes or 0 in value.shape:
        raise MediaError(f"mask {_shape(value)}; it must be {'[F, H, W]' if axes == 3 else '[T]'} in latents")
    soft = value.float() / (255 if value.dtype == torch.uint8 and int(value.max()) > 1 else 1)
    if not bool(((soft >= 0) & (soft <= 1)).all()):
        raise MediaError(f"mask from {float(soft.min()):g} to {float(soft.max()):g}; it must lie in [0, 1]")
    if threshold is not None:
        soft = (soft >= threshold).float()
    return Prepared({"mask": _own(soft)})


def _numbers(data: Any, name: str) -> tuple[Tensor, Mapping[str, Any]]:
    """The tensor `name` of a dict, or a bare tensor, and what stands beside it; finite floats."""
    facts = data if isinstance(data, Mapping) else {}
    found = data if isinstance(data, Tensor) else facts.get(name)
    if not isinstance(found, Tensor) or found.layout != torch.strided:
        raise MediaError(f"holds {_listing(data)}; expected a tensor, or a dict with the key {name}")
    if not found.is_floating_point():
        raise MediaError(f"{name} of type {found.dtype}; it must be floating point")
    found = found.detach() if found.dtype in KEPT else found.detach().float()
    if not bool(torch.isfinite(found).all()):
        raise MediaError(f"{name} with values that are not finite (NaN or infinite)")
    return found, facts


def _without_batch(value: Tensor, axes: int) -> Tensor:
    return value[0] if value.ndim == axes + 1 and len(value) == 1 else value


def _own(value: Tensor) -> Tensor:
    """A copy in memory of its own: a view would bring its whole storage along."""
    return value.clone(memory_format=torch.contiguous_format)


def _whole(facts: Mapping[str, Any], name: str) -> int | None:
    value = _number(facts.get(name))
    return int(value) if value is not None and value.is_integer() else None


def _positive(facts: Mapping[str, Any], name: str) -> float | None:
    """A stated number above 0; None where there is none."""
    value = _number(facts.get(name))
    if value is not None and not 0 < value < float("inf"):
        raise MediaError(f"says {name} {value:g}; it must be a number above 0")
    return value


def _number(value: Any) -> float | None:
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    return float(value) if isinstance(value, int | float) else None


def _other_model(found: str, wanted: str) -> MediaError:
    return MediaError(f"{found}; this model takes {wanted}: the file was prepared with another model")


def _shape(value: Tensor) -> str:
    return f"[{', '.join(str(size) for size in value.shape)}]"


def _listing(data: Any) -> str:
    if isinstance(data, Mapping):
        return f"a dict with {', '.join(sorted(str(key) for key in data)) or 'no key'}"[:200]
    return f"a {type(data).__name__}"
