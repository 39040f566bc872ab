"""file: mask files over time.

A mask file is a sound whose absolute value is the mask (1 keeps, 0 is generated), or JSON that names what is
generated: `{"generate": [[0.5, 1.2], [2.0, 2.4]]}` in seconds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltx_core.curation.captioning.sidecar import decode_text
from ltx_core.curation.kinds import FILE, Kind
from ltx_core.curation.masking.audio_mask import AudioMask, spans_mask
from ltx_core.media.errors import MediaError, MediaGoneError

NEAR = 1 / 256
"""How far from 0 or 1 a value of a sound file is meant as that: 16 bits end below 1, lossy files blur."""
AS_LONG = 0.05
"""Seconds by which a mask may end before its clip; its last value goes on."""
JSON_FORM = '{"generate": [[start, end], ...]} in seconds'


@dataclass(frozen=True)
class AudioMaskFileOptions:
    """None."""


def read_audio_mask(path: Path, seconds: float, start_s: float = 0.0) -> AudioMask:
    """The mask of the stretch of `seconds` from `start_s` on in a mask file.

    Raises:
        MediaError: when the file cannot be read, is none of the two forms, or ends before the stretch does.
    """
    from ltx_core.media.audio import read_samples, time_origin

    if path.suffix.lower() == ".json":
        spans = [(start - start_s, end - start_s) for start, end in _read_spans(path)]
        return spans_mask(spans, seconds)
    origin = time_origin(path)
    found = read_samples(path, origin + start_s, seconds)
    if found is None:
        raise MediaError("a mask over time is a sound or a JSON file; this one has no audio stream", path)
    wave, rate, end_s = found[0], found[1], found[2] - origin
    if end_s < start_s + seconds - AS_LONG:
        raise MediaError(
            f"the mask ends at {max(0.0, end_s):.2f} s, its sound at {start_s + seconds:.2f} s; "
            "make it as long",
            path,
        )
    values = np.abs(wave).mean(axis=0)
    held = max(1, min(len(values), round((end_s - start_s) * rate)))
    values[held:] = values[held - 1]
    if values.max() > 1 + 1e-3:
        raise MediaError(f"the mask goes up to {values.max():.2f}; its values lie in [0, 1]", path)
    values = np.where(values > 1 - NEAR, 1, np.where(values < NEAR, 0, values))
    return AudioMask(values.astype(np.float32), rate)


def _read_spans(path: Path) -> list[tuple[float, float]]:
    try:
        found = json.loads(decode_text(path.read_bytes(), path))
    except OSError as error:
        raise MediaGoneError(f"unreadable: {error.strerror or error}", path) from error
    except ValueError as error:
        raise MediaError(f"malformed JSON ({error}); write {JSON_FORM}", path) from error
    spans = found.get("generate") if isinstance(found, dict) and len(found) == 1 else None
    if not isinstance(spans, list):
        raise MediaError(f"no mask; write {JSON_FORM}", path)
    return [_span(span, path) for span in spans]


def _span(span: Any, path: Path) -> tuple[float, float]:
    numbers = span if isinstance(span, list) and len(span) == 2 else ()
    if not numbers or not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
        raise MediaError(f"{span!r} is no span; write {JSON_FORM}", path)
    start, end = map(float, numbers)
    if not 0 <= start < end:
        raise MediaError(f"the span {span!r} must begin at 0 or later and end after it begins", path)
    return start, end


AUDIO_GIVEN = Kind(
    FILE,
    "the `audio_mask` of a dataset file: a sound whose level is the mask, or JSON",
    AudioMaskFileOptions,
    of_clip=False,
)
