"""What stored latents decode to, beside what was encoded: players, strips, spectrograms and numbers.

Design choices
- Pictures are compared pixel by pixel (PSNR). A sound comes back through a mel spectrum and a vocoder, which
  keep no phase: its samples differ where it sounds the same. So its bands are compared: the signal-to-noise
  ratio of their magnitudes, and the mean difference of their levels.
- A number without meaning (silence, no original) is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltx_core.evaluation import plots
from ltx_core.evaluation.browsing.card import look
from ltx_core.evaluation.browsing.facts import ClipFacts, Look
from ltx_core.evaluation.browsing.links import MEDIA, SHORT, href, own_page
from ltx_core.evaluation.browsing.page import document
from ltx_core.evaluation.browsing.pictures import (
    Frames,
    Wave,
    beside,
    jpeg,
    middle,
    preview_size,
    resized,
    sound_picture,
)
from ltx_core.evaluation.browsing.write import write_changed
from ltx_core.evaluation.markup import Html, element
from ltx_core.evaluation.metrics import psnr
from ltx_core.evaluation.report_tables import number
from ltx_core.evaluation.sound_metrics import levels_db, sound_distance
from ltx_core.media.sheet import Strip, contact_sheet, pick_frames
from ltx_core.media.wav import wav_bytes
from ltx_core.media.write import encode_video

EQUAL_DB = 99.0
"""What a plot shows for equal frames, whose ratio is infinite."""
STRIP = 8
LONGEST = 480


@dataclass(frozen=True)
class Compared:
    """One column of a clip, decoded, and what was encoded.

    Attributes:
        column, title: its name in the dataset, and for people.
        fps: frames per second of the frames.
        frames, true_frames: uint8 `[F, H, W, 3]`, or None.
        wave, true_wave: `[2, S]` at `rate`, or None.
    """

    column: str
    title: str
    fps: float = 0.0
    frames: Frames | None = None
    true_frames: Frames | None = None
    wave: Wave | None = None
    true_wave: Wave | None = None
    rate: int = 0


@dataclass(frozen=True)
class Written:
    """A comparison whose media are written: what is left to show."""

    title: str
    numbers: tuple[tuple[str, float], ...]
    looks: tuple[Look, ...]
    curve: tuple[tuple[float, float], ...] = ()


def frame_psnr(frames: Frames, true: Frames) -> list[float]:
    """PSNR in dB of every frame; infinity where they are equal.

    Raises:
        ValueError: when the shapes differ.
    """
    return [psnr(one[None], other[None]) for one, other in zip(frames, true, strict=True)]


def band_snr(wave: Wave, true: Wave, rate: int) -> float:
    """Signal-to-noise ratio in dB of the magnitudes of 32 mel bands every 10 ms; phase does not count.

    Args:
        wave, true: `[2, S]`; the longer one is cut.
        rate: of both.

    Returns:
        Infinity when they are equal, NaN when `true` is silent.
    """
    length = min(wave.shape[-1], true.shape[-1])
    bands = [10 ** (levels_db(one[:, :length], rate) / 20) for one in (wave, true)]
    floor = bands[1].min()
    signal, noise = np.square(bands[1]).sum(), np.square(bands[0] - bands[1]).sum()
    if bands[1].max() <= floor * 1.0001:
        return math.nan
    return math.inf if noise == 0 else float(10 * np.log10(signal / noise))


def written(folder: Path, clip_id: str, found: Compared) -> Written:
    """Write the media of a comparison into the pages' folder; what is there already is left alone."""
    name = f"{MEDIA}/{clip_id[:SHORT]}-{found.column}-decoded"
    if found.frames is not None:
        return _written_video(folder, name, found, found.frames)
    if found.wave is not None:
        return _written_sound(folder, name, found, found.wave)
    raise ValueError(f"{found.column}: neither frames nor sound")


def _written_video(folder: Path, name: str, found: Compared, frames: Frames) -> Written:
    true = found.true_frames
    same = true is not None and true.shape == frames.shape
    pictures = [frames] if true is None else [resized(true, *_size(frames)), resized(frames, *_size(frames))]
    film = beside(pictures)
    film = resized(film, *preview_size(film.shape[2], film.shape[1], 2 * LONGEST))
    write_changed(folder / f"{name}.mp4", encode_video(film, found.fps, crf=12))
    write_changed(folder / f"{name}.jpg", jpeg(middle(film)))
    strips = [] if true is None else [Strip(pick_frames(true, STRIP), "original")]
    strips.append(Strip(pick_frames(frames, STRIP), "decoded"))
    write_changed(folder / f"{name}-strip.png", contact_sheet(strips))
    values = frame_psnr(frames, true) if same and true is not None else []
    numbers: list[tuple[str, float]] = []
    if true is not None and same:
        numbers = [("PSNR, dB", psnr(frames, true)), ("PSNR of the worst frame, dB", min(values))]
    alt = "original on the left, decoded on the right" if true is not None else "decoded"
    looks = (
        Look("Player", "video", f"{name}.jpg", f"{name}.mp4", f"{found.title}: {alt}"),
        Look("Frames", "picture", f"{name}-strip.png", alt=f"{found.title}: frames from left to right"),
    )
    curve = tuple((float(n), min(value, EQUAL_DB)) for n, value in enumerate(values))
    return Written(found.title, tuple(numbers), looks, curve)


def _size(frames: Frames) -> tuple[int, int]:
    return frames.shape[2], frames.shape[1]


def _written_sound(folder: Path, name: str, found: Compared, wave: Wave) -> Written:
    looks, numbers = [], []
    for label, one in (("original", found.true_wave), ("decoded", wave)):
        if one is not None:
            write_changed(folder / f"{name}-{label}.wav", wav_bytes(one, found.rate))
            write_changed(folder / f"{name}-{label}.jpg", jpeg(sound_picture(one, found.rate)))
            files = (f"{name}-{label}.jpg", f"{name}-{label}.wav")
            looks.append(Look(label, "audio", *files, f"{found.title}, {label}: waveform and spectrogram"))
    if found.true_wave is not None:
        values = (
            ("bands' SNR, dB", band_snr(wave, found.true_wave, found.rate)),
            ("mean difference of levels, dB", sound_distance(wave, found.true_wave, found.rate)),
        )
        numbers = [(what, value) for what, value in values if not math.isnan(value)]
    return Written(found.title, tuple(numbers), tuple(looks))


def table_rows(found: Sequence[Written]) -> list[list[str]]:
    """What, measure and value of every number; what has none says so."""
    rows = []
    for one in found:
        rows += [[one.title, measure, number(value)] for measure, value in one.numbers]
        if not one.numbers:
            rows.append([one.title, "decoded", "no original to compare with"])
    return rows


def comparison_page(clip_id: str, name: str, found: Sequence[Written]) -> str:
    """The page that shows all comparisons of a clip."""
    back = element("a", "The clip's page", href=href(own_page(clip_id), "../"))
    clip = ClipFacts(clip_id, name)
    body = [element("p", back)]
    body += [_section(one, clip, f"p{n}") for n, one in enumerate(found)]
    return document(f"{name}: what its latents decode to", [element("div", *body, class_="own")], "../")


def _section(one: Written, clip: ClipFacts, prefix: str) -> Html:
    facts = [element("li", f"{measure}: {number(value)}") for measure, value in one.numbers]
    figures = [
        element("figure", look(way, clip, "../"), element("figcaption", way.label)) for way in one.looks
    ]
    if one.curve:
        drawing = plots.svg(plots.line(one.curve, "PSNR of each frame", "dB", "frame"), prefix)
        words = f"PSNR of each frame, from {number(min(v for _, v in one.curve))} dB on."
        figures.append(element("figure", element("div", Html(drawing), role="img", aria_label=words)))
    return element(
        "section",
        element("h2", one.title),
        element("ul", *facts, class_="badges")
        if facts
        else element("p", "There is no original to compare with."),
        element("div", *figures, class_="pair"),
    )
