"""Sound files of the kinds that users have, written by PyAV, and pipelines that read them."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from ltx_core.config.load import load
from ltx_core.run import Pipeline

ROOT = Path(__file__).parents[3]
FOOTAGE = ROOT / "data" / "footage"
RATE = 8000
"""Samples per second of the small model's front end."""
CODECS = {".wav": "pcm_s16le", ".flac": "flac", ".mp3": "libmp3lame", ".m4a": "aac"}


def tones(
    *hertz: float, each: float = 1.125, rate: int = 16000, amplitude: float = 0.4
) -> NDArray[np.float32]:
    """Stereo tones one after the other, `each` seconds long."""
    time = np.arange(round(each * rate)) / rate
    wave = np.concatenate([amplitude * np.sin(2 * np.pi * one * time) for one in hertz])
    return np.stack([wave, wave]).astype(np.float32)


def write_sound(path: Path, wave: NDArray[np.float32], rate: int = 16000) -> None:
    """A file in the format that its suffix names."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODECS[path.suffix], rate=rate, layout="stereo")
        stream.codec_context.open()
        block = stream.codec_context.frame_size or 1024
        resampler = av.AudioResampler(stream.codec_context.format.name, "stereo", rate)
        for start in range(0, wave.shape[1], block):
            samples = np.ascontiguousarray(wave[:, start : start + block])
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
            frame.rate, frame.pts = rate, start
            for changed in resampler.resample(frame):
                changed.pts = start
                container.mux(stream.encode(changed))
        container.mux(stream.encode(None))


def pipeline(workspace, source, *overrides, mode="t2a"):
    settings = [f"workspace={workspace}", f"dataset.source={source}", "engine.threads=1"]
    settings += ["acceleration.threads=1", *overrides]
    return Pipeline(load(ROOT / "configs" / f"{mode}_lora.yaml", settings, ROOT))


def prepare(pipe, until):
    computed = {}
    for stage in pipe.stages(until):
        computed[stage] = sum(pipe.compute(stage, chunk)["rows"] for chunk in pipe.plan(stage).chunks)
    pipe.context.refresh()
    return computed


def results(pipe, stage):
    return {item.name: row for item, row in pipe.context.results(stage)}


def table(path, **columns):
    """A dataset file of one row per value."""
    names = list(columns)
    rows = [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    path.write_text("\n".join(json.dumps({k: str(v) for k, v in row.items() if v}) for row in rows))
    return path
