"""Films: codecs, rates, times, colours, fields, shapes, and sounds that do not fit their pictures."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.make.torture.case import FRAMES, RATE, Case, picture, tone
from data.make.torture.encode import X265, Film, by_reference, turned

SECONDS = FRAMES / RATE
PQ = {"x265-params": f"{X265}:transfer=smpte2084:colorprim=bt2020:colormatrix=bt2020nc"}
HLG = {"x265-params": f"{X265}:transfer=arib-std-b67:colorprim=bt2020:colormatrix=bt2020nc"}
NTSC, NTSC_FILM = Fraction(30000, 1001), Fraction(24000, 1001)
UNEVEN = tuple(accumulate([0] + [40, 20, 100, 15, 25] * 9))
"""Milliseconds at which a film of varying rate shows its 46 frames."""
FINE = {"bit_rate": 4_000_000}
"""For encoders that spoil a film else, so that its spoilt frames are cuts."""
VIDEO = {"kind": "video", "frames": FRAMES, "width": 96, "height": 64}


def _wrong_duration(path: Path) -> None:
    """A Matroska file whose header says that it lasts an hour."""
    Film(container={"fflags": "+bitexact"})(path)
    data = bytearray(path.read_bytes())
    place = data.index(b"\x44\x89\x88") + 3
    data[place : place + 8] = np.array([3_600_000.0], ">f8").tobytes()
    path.write_bytes(data)


def _eight_k(path: Path) -> None:
    """One frame of 8K that is shown for two seconds."""
    by_reference(path, 1, 2.0, (7680, 4320))


def _moving(form: str, **options: object) -> object:
    def make(path: Path) -> None:
        from PIL import Image

        first, *others = [Image.fromarray(picture(number)) for number in range(20)]
        times = [50] * 10 + [100] * 10
        first.save(path, form, save_all=True, append_images=others, duration=times, loop=0, **options)

    return make


def _waves(channels: int, seconds: float = SECONDS) -> NDArray[np.float32]:
    """A tone of its own in every channel."""
    return np.stack([tone(seconds, hertz=200.0 * (1 + number))[0] * 0.6 for number in range(channels)])


def _used(name: str, make: object, *, counted: bool = True, **facts: object) -> Case:
    return Case(name, make, facts={**VIDEO, **facts}, counted=counted)  # type: ignore[arg-type]


def _rates() -> list[Case]:
    rates = {"12": Fraction(12), "23_976": NTSC_FILM, "29_97": NTSC, "50": Fraction(50), "60": Fraction(60)}
    return [
        _used(
            f"rate_{name}.mp4",
            Film(rate=rate, frames=80, sounds=(tone(float(80 / rate)),)),
            frames=80,
            fps=float(rate),
        )
        for name, rate in rates.items()
    ]


CODECS = [
    _used("plain.mp4", Film(sounds=(tone(SECONDS),)), fps=24.0, has_audio=True, audio_rate=16000),
    _used("hevc.mp4", Film("libx265", options={"x265-params": X265})),
    _used("vp8.webm", Film("libvpx", options={"deadline": "realtime", "cpu-used": "8", "b": "2M"})),
    _used("vp9.webm", Film("libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"})),
    _used("av1.mp4", Film("libsvtav1", options={"preset": "12", "svtav1-params": "lp=1"})),
    _used("mpeg2.mpg", Film("mpeg2video", tags=FINE)),
    _used("mjpeg.avi", Film("mjpeg", "yuvj420p")),
    _used("prores.mov", Film("prores_ks", "yuv422p10le"), depth=10),
    _used("lossless.mkv", Film("ffv1", "yuv444p")),
    _used("theatre.flv", Film("flv", rate=Fraction(25), tags=FINE), fps=25.0),
    _used("windows.wmv", Film("wmv2", tags=FINE)),
    _used("transport.ts", Film(sounds=(tone(SECONDS),), sound_rate=48000), has_audio=True),
    _used("no_times.avi", Film("mpeg4", options={"bf": "2", "qscale": "2"}), seekable=False),
    _used("raw.h264", Film(options={"bf": "2"}, form="h264"), seekable=False, fps=25.0),
]
TIMES = [
    _used("variable.mp4", Film(frames=46, pts=UNEVEN), frames=46, variable=True),
    _used("variable.mkv", Film(frames=46, pts=UNEVEN, sounds=(tone(1.9),)), frames=46, variable=True),
    Case(
        "edited.mp4",
        Film(frames=60, pts=[50 * (number - 20) for number in range(60)], options={"g": "250", "bf": "0"}),
        facts={"kind": "video", "frames": 40, "hidden": 20},
        counted=True,
        first=20,
    ),
    _used(
        "negative.mkv", Film(pts=[42 * (n - 6) for n in range(FRAMES)], container={"avoid_negative_ts": "0"})
    ),
    _used("wrong_duration.mkv", _wrong_duration),
    _used("two_videos.mkv", Film(tracks=2), video_tracks=2),
    _used("gif.gif", _moving("GIF"), frames=20, variable=True, seekable=True),
    _used("moving.webp", _moving("WEBP", lossless=True), frames=20, variable=True),
    _used("moving.png", _moving("PNG"), frames=20, variable=True),
    Case(
        "three_frames.mp4", Film(frames=3), "short", {"frames": 3}, "shorter than every bucket", counted=True
    ),
    Case("one_frame.mp4", Film(frames=1), "short", {"frames": 1}, "shorter than every bucket", counted=True),
    Case(
        "three_hours.mp4",
        lambda path: by_reference(path, 24, 450.0),
        facts={"kind": "video", "frames": 24, "duration": 10800.0},
    ),
    Case("8k.mp4", _eight_k, facts={"kind": "video", "width": 7680, "height": 4320, "frames": 1}),
]
LOOKS = [
    Case(
        "hdr10.mp4", Film("libx265", "yuv420p10le", PQ), "rejected", reason=r"HDR video \(PQ\).*dataset.hdr"
    ),
    Case(
        "hlg.mov", Film("libx265", "yuv420p10le", HLG), "rejected", reason=r"HDR video \(HLG\).*dataset.hdr"
    ),
    _used("ten_bits.mp4", Film("libx265", "yuv420p10le", {"x265-params": X265}), depth=10),
    _used("full_range.mp4", Film(pix_fmt="yuvj420p", tags={"color_range": 2})),
    _used("untagged_hd.mp4", Film(size=(1280, 720)), width=1280, height=720, assume_709=True),
    _used("rgb.mp4", Film("libx264rgb", "rgb24")),
    _used("alpha.mov", Film("prores_ks", "yuva444p10le"), alpha=True),
    _used("interlaced.mp4", Film(interlaced=True, options={"x264-params": "tff=1"}), interlaced=True),
    _used(
        "interlaced.mpg", Film("mpeg2video", interlaced=True, rate=Fraction(25), tags=FINE), interlaced=True
    ),
    _used("anamorphic.mp4", Film(tags={"sample_aspect_ratio": Fraction(4, 3)}), width=128, square=False),
    _used("odd_size.mp4", Film(size=(171, 97), pix_fmt="yuv444p"), width=171, height=97),
    _used("tiny.mkv", Film("ffv1", "yuv444p", size=(32, 18)), width=32, height=18),
    _used("turned_90.mp4", turned(Film(), 90), counted=False, width=64, height=96),
    _used("turned_180.mp4", turned(Film(), 180), counted=False),
    _used("turned_270.mp4", turned(Film(), 270), counted=False, width=64, height=96),
]
SOUNDS = [
    _used("no_sound.mp4", Film(), has_audio=False),
    _used("silent.mp4", Film(sounds=(tone(SECONDS, amplitude=0),)), has_audio=True),
    _used("long_sound.mp4", Film(sounds=(tone(2 * SECONDS),)), audio_duration=2 * SECONDS),
    _used("short_sound.mp4", Film(sounds=(tone(SECONDS / 4),)), has_audio=True),
    _used("late_sound.mkv", Film(sounds=(tone(1.5),), sound_start=0.5), audio_start=0.5),
    _used("clipped.mp4", Film(sounds=(np.sign(tone(SECONDS)),)), has_audio=True),
    _used("mono.mp4", Film(sounds=(tone(SECONDS)[:1],), sound_layout="mono"), audio_channels=1),
    _used("surround.mp4", Film(sounds=(_waves(6),), sound_layout="5.1"), audio_channels=6),
    _used(
        "wide_sound.mkv",
        Film(sounds=(_waves(8),), sound_codec="flac", sound_layout="7.1"),
        audio_channels=8,
    ),
    _used("two_languages.mkv", Film(sounds=(tone(SECONDS), tone(SECONDS, hertz=700.0))), audio_tracks=2),
]
FILMS = [*CODECS, *_rates(), *TIMES, *LOOKS, *SOUNDS]
