"""Sound of a stretch of a file, aligned by time stamps, and its loudness.

Design choices
- Samples are placed by their presentation time: sound that starts late gets silence in front, gaps stay gaps.
- decord's own audio reader is never used: it leaks the whole waveform and ignores where the sound starts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltx_core.media.container import COMPLETE_SHARE, open_media
from ltx_core.media.errors import MediaError
from ltx_core.media.streams import audio_stream, checked_audio, frames_of, video_stream

Wave = NDArray[np.float32]
SILENCE_DBFS = -60.0
"""Sound below this root mean square counts as silent."""
QUIETEST_DBFS = -120.0
"""What `loudness` gives for digital silence, so that the value fits into tables."""
LEAD_IN = 0.25
"""Seconds decoded before the stretch: the first packets after a jump are not yet clean in AAC or Opus."""
MARGIN = 0.05
"""Seconds on both sides that the resampling filter sees, so that a stretch does not depend on its edges."""
JITTER = 0.005
"""Seconds by which a block's time stamp may be off before it counts as a gap."""
ESTIMATED = frozenset({"mp3", "aac"})
"""Formats whose header does not say how long they are: FFmpeg guesses by the first packets."""
MOST_GAPS = 10
"""Times its sound that a file's time stamps may span; beyond it they are nonsense."""


def read_audio(path: Path | str, start_s: float, duration_s: float, rate: int) -> Wave | None:
    """Stereo sound `[2, round(duration_s * rate)]`, float32, of the stretch that begins at `start_s`.

    Times are those of `frame_times`. Where the file has no sound there is silence.

    Returns:
        None when the file has no audio stream.

    Raises:
        MediaError: the file cannot be read.
        ValueError: a duration or rate that is not positive, or less than one sample.
    """
    count = round(duration_s * rate)
    if rate <= 0 or count < 1:
        raise ValueError(f"{duration_s} s of sound at {rate} per second; at least one sample is needed")
    with open_media(path) as container:
        stream = checked_audio(container, path)
        if stream is None:
            return None
        source_rate = int(stream.codec_context.sample_rate)
        # The margin is a whole number of samples at both rates, so that the crop below is exact.
        unit = math.gcd(source_rate, rate)
        steps = math.ceil(MARGIN * unit)
        first = round(start_s * source_rate) - steps * (source_rate // unit)
        length = 2 * steps * (source_rate // unit) + math.ceil(count * source_rate / rate)
        native, _ = _read_native(container, stream, first, length, source_rate)
    return _convert(native, source_rate, rate, steps * (rate // unit), count)


def read_samples(path: Path | str, start_s: float, duration_s: float) -> tuple[Wave, int, float] | None:
    """Samples `[C, S]` of a stretch at the file's own rate, that rate, and the second at which they end.

    Where the file has no sound there is silence. None without an audio stream.

    Raises:
        MediaError: the file cannot be read.
    """
    with open_media(path) as container:
        stream = checked_audio(container, path)
        if stream is None:
            return None
        rate = int(stream.codec_context.sample_rate)
        count = max(1, round(duration_s * rate))
        samples, end = _read_native(container, stream, round(start_s * rate), count, rate)
        return samples, rate, end / rate


def sound_blocks(path: Path | str) -> Iterator[tuple[int, int, Wave]]:
    """All of a file's sound, block by block: the rate, the number of the block's first sample, and `[C, S]`.

    Samples are counted from time 0; where two blocks do not join there is silence. None without sound.

    Raises:
        MediaError: the file cannot be read on.
    """
    with open_media(path) as container:
        stream = checked_audio(container, path)
        if stream is None:
            return
        codec = stream.codec_context
        rate = int(codec.sample_rate)
        for begin, samples in _blocks(container, stream, int(codec.channels), rate):
            yield rate, begin, samples


def time_origin(path: Path | str) -> float:
    """Where a file's time begins: 0, or the first sample of a file of sound alone.

    An MP3 begins late by its encoder's delay; beside another file its first sample is what counts.

    Raises:
        MediaError: the file cannot be read.
    """
    with open_media(path) as container:
        stream = audio_stream(container)
        if stream is None or video_stream(container) is not None or stream.start_time is None:
            return 0.0
        return max(0.0, float(stream.start_time * stream.time_base))


def sound_span(path: Path | str) -> tuple[float, float]:
    """Seconds at which a file's sound begins and ends, found by decoding all of it.

    Raises:
        MediaError: the file cannot be read, has no sound, or ends long before its declared end.
    """
    with open_media(path) as container:
        stream = checked_audio(container, path)
        if stream is None:
            raise MediaError("no audio stream", path)
        rate = int(stream.codec_context.sample_rate)
        declared = float(stream.duration * stream.time_base) if stream.duration else 0.0
        known = container.format.name not in ESTIMATED
        start, position, count = None, 0, 0
        for frame in frames_of(container, stream):
            if frame.pts is not None:
                position = round(frame.pts * frame.time_base * rate)
            start = max(0, position) if start is None else start
            position += frame.samples
            count += frame.samples
    if start is None:
        raise MediaError("no sound in the audio stream", path)
    if position - start > MOST_GAPS * count + rate * 60:
        raise MediaError(
            f"unreadable: {count / rate:.2f} s of sound from {start / rate:g} s to {position / rate:g} s; "
            "copy it into a new container",
            path,
        )
    if known and count < COMPLETE_SHARE * declared * rate:
        raise MediaError(f"truncated: {count / rate:.2f} of {declared:.2f} s", path)
    return start / rate, position / rate


def _convert(native: Wave, source_rate: int, rate: int, skip: int, count: int) -> Wave:
    import torch

    from ltx_core.media.resample import resample, to_stereo

    wave = resample(to_stereo(torch.from_numpy(native)), source_rate, rate)[:, skip : skip + count]
    out = np.zeros((2, count), np.float32)
    out[:, : wave.shape[1]] = wave.numpy()
    return out


def _read_native(container: Any, stream: Any, first: int, length: int, rate: int) -> tuple[Wave, int]:
    """Samples `[C, length]` from sample number `first` (counted from time 0) on, at the file's own rate.

    With them the number of the sample after the last one that was decoded.
    """
    channels = int(stream.codec_context.channels)
    out = np.zeros((channels, length), np.float32)
    if first > LEAD_IN * rate:
        target = Fraction(first, rate) - Fraction(LEAD_IN)
        container.seek(int(target / stream.time_base), stream=stream, backward=True)
    position: int | None = None
    for begin, samples in _blocks(container, stream, channels, rate):
        _place(out, samples, begin - first)
        position = begin + samples.shape[1]
        if position - first >= length:
            break
    return out, position or 0


def _blocks(container: Any, stream: Any, channels: int, rate: int) -> Iterator[tuple[int, Wave]]:
    """Decoded blocks `[C, S]`, each with the number of its first sample, counted from time 0."""
    position: int | None = None
    for frame in frames_of(container, stream):
        if frame.sample_rate != rate:
            raise MediaError(
                f"unreadable: sound changes from {rate} to {frame.sample_rate} samples per second"
            )
        samples = _samples(frame, channels)
        stamped = position if frame.pts is None else round(frame.pts * frame.time_base * rate)
        # Time stamps in whole milliseconds jitter: blocks stay joined unless there is a real gap.
        if position is None or (stamped is not None and abs(stamped - position) > JITTER * rate):
            position = stamped or 0
        yield position, samples
        position += samples.shape[1]


def _place(out: Wave, samples: Wave, offset: int) -> None:
    """Write `samples` into `out` from `offset` on, as far as they lie inside."""
    begin, end = max(offset, 0), min(offset + samples.shape[1], out.shape[1])
    if begin < end:
        out[:, begin:end] = samples[:, begin - offset : end - offset]


def _samples(frame: Any, channels: int) -> Wave:
    """A decoded block as float32 `[C, S]` in [-1, 1]."""
    raw = frame.to_ndarray()
    own = int(frame.layout.nb_channels)
    if not frame.format.is_planar:
        raw = raw.reshape(-1, own).T
    if own != channels:  # an insertion of another layout is heard from all sides
        raw = np.broadcast_to(_scaled(raw).mean(axis=0, keepdims=True), (channels, raw.shape[1]))
    return _scaled(raw)


def _scaled(raw: NDArray[Any]) -> Wave:
    """Samples of any format as float32 in [-1, 1]."""
    if raw.dtype == np.uint8:
        return np.asarray((raw.astype(np.float32) - 128) / 128, np.float32)
    if np.issubdtype(raw.dtype, np.integer):
        return np.asarray(raw / float(-np.iinfo(raw.dtype).min), np.float32)
    return np.asarray(raw, np.float32)


def loudness(wave: Wave) -> float:
    """Root mean square of all samples in decibels of full scale; `QUIETEST_DBFS` for digital silence."""
    power = float(np.mean(np.square(wave, dtype=np.float64))) if wave.size else 0.0
    return max(QUIETEST_DBFS, 10 * math.log10(power)) if power > 0 else QUIETEST_DBFS


def is_silent(wave: Wave) -> bool:
    """Whether the sound is below `SILENCE_DBFS`."""
    return loudness(wave) < SILENCE_DBFS
