"""Sound stays within one latent step (1/25 s) of the pictures, whatever rate and times a file has."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

import av
import numpy as np
import pytest

from ltx_core.media.audio import read_audio
from ltx_core.media.decode import frame_times, read_frames
from ltx_core.media.probe import probe
from ltx_core.media.window import FrameWindow

LATENT_STEP = 1 / 25
SOUND_RATE = 48000
TARGET_FPS = 24.0
NTSC, NTSC_FILM = Fraction(30000, 1001), Fraction(24000, 1001)


@dataclass(frozen=True)
class Film:
    """A film that flashes and clicks at once: `pts` in thousandths of a second, sound from start to end."""

    name: str
    pts: tuple[int, ...]
    sound_start: float = 0.0
    sound_end: float = 4.0
    codec: str = "libx264"
    sound: str = "aac"

    def flashes(self):
        """Numbers of the frames that flash: about every 0.7 s of what is shown."""
        shown = [number for number, time in enumerate(self.pts) if time >= 0]
        return shown[6 :: max(1, round(len(shown) * 0.7 / 4))]

    def bright(self):
        """Numbers of the frames of all flashes, which last so long that none falls between two frames."""
        return {
            number
            for flash in self.flashes()
            for number, time in enumerate(self.pts)
            if 0 <= time - self.pts[flash] < 45
        }


def steady(rate, first=0):
    return tuple(round(1000 * number / rate) + first for number in range(int(4 * rate)))


UNEVEN = tuple(accumulate([0] + [40, 20, 60, 15, 25, 33] * 20))
FILMS = [
    Film("12.mp4", steady(12)),
    Film("23_976.mp4", steady(NTSC_FILM)),
    Film("29_97.mp4", steady(NTSC)),
    Film("50.mp4", steady(50)),
    Film("60.mkv", steady(60)),
    Film("uneven.mp4", UNEVEN),
    Film("uneven.mkv", UNEVEN, sound="flac"),
    Film("edit_list.mp4", steady(25, first=-600)),
    Film("late_pictures.mkv", steady(25, first=400)),
    Film("late_sound.mkv", steady(25), sound_start=0.5),
    Film("late_sound.mp4", steady(NTSC), sound_start=0.5),
    Film("short_sound.mp4", steady(25), sound_end=2.5),
    Film("long_sound.mp4", steady(25), sound_end=6.0),
    Film("broadcast.ts", steady(25)),
    Film("no_times.avi", steady(25), codec="mpeg4", sound="pcm_s16le"),
]


def write(film, path):
    wave = np.zeros((2, 6 * SOUND_RATE), np.float32)
    bright = film.bright()
    for number in film.flashes():
        begin = round(film.pts[number] * SOUND_RATE / 1000)
        wave[:, begin : begin + 240] = 0.9 * np.sin(np.arange(240))
    with av.open(str(path), "w") as container:
        rate = Fraction(25) if path.suffix == ".avi" else Fraction(60)
        video, sound = container.add_stream(film.codec, rate=rate), _sound_stream(container, film)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, 25) if path.suffix == ".avi" else Fraction(1, 1000)
        video.codec_context.options = {"preset": "ultrafast", "bf": "2", "g": "250", "threads": "1"}
        video.codec_context.open()
        for number, pts in enumerate(film.pts):
            image = np.full((48, 64, 3), 230 if number in bright else 30, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = pts, Fraction(1, 1000)
            if path.suffix == ".avi":
                frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        begin, end = (round(time * SOUND_RATE) for time in (film.sound_start, film.sound_end))
        _write_sound(container, sound, wave[:, begin:end], film.sound_start)


def _sound_stream(container, film):
    stream = container.add_stream(film.sound, rate=SOUND_RATE, layout="stereo")
    stream.codec_context.open()
    return stream


def _write_sound(container, stream, wave, start):
    block = stream.codec_context.frame_size or 1024
    resampler = av.AudioResampler(stream.codec_context.format.name, "stereo", SOUND_RATE)
    for begin in range(0, wave.shape[1], block):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(wave[:, begin : begin + block]), format="fltp", layout="stereo"
        )
        frame.rate, frame.pts = SOUND_RATE, begin
        for changed in resampler.resample(frame):
            changed.pts, changed.time_base = begin + round(start * SOUND_RATE), Fraction(1, SOUND_RATE)
            container.mux(stream.encode(changed))
    container.mux(stream.encode(None))


def events(values, times, threshold):
    """Groups of times at which values are above the threshold, one group per event."""
    loud = [time for value, time in zip(values, times, strict=True) if value > threshold]
    groups = []
    for time in loud:
        if groups and time - groups[-1][-1] < 0.2:
            groups[-1].append(time)
        else:
            groups.append([time])
    return groups


@pytest.mark.parametrize("film", FILMS, ids=lambda film: film.name)
def test_a_flash_and_its_click_come_together(film, tmp_path):
    path = tmp_path / film.name
    write(film, path)
    info, times = probe(path), frame_times(path)
    assert info.has_audio
    window = FrameWindow(times[0] + 0.1, TARGET_FPS, round((times[-1] - times[0] - 0.2) * TARGET_FPS))
    frames = read_frames(path, window.frames(times))
    wave = read_audio(path, window.start, window.duration, SOUND_RATE)
    assert wave.shape == (2, round(window.duration * SOUND_RATE))
    shown = [number / TARGET_FPS for number in range(window.count)]
    flashes = events(frames[:, 24, 32].mean(axis=1), shown, 130)
    until = window.duration - 0.1
    loud = events(np.abs(wave[0]), np.arange(wave.shape[1]) / SOUND_RATE, 0.35)
    clicks = [group[0] for group in loud if group[0] < until]
    offset = times[0] - max(0, film.pts[0]) / 1000
    spoken = [
        number
        for number in film.flashes()
        if film.sound_start <= film.pts[number] / 1000 < film.sound_end - 0.05
        and 0 <= film.pts[number] / 1000 + offset - window.start < until
    ]
    assert len(clicks) == len(spoken) >= 3
    for click in clicks:
        assert min(abs(time - click) for group in flashes for time in group) <= LATENT_STEP
