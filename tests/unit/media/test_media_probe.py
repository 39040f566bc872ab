"""What a file holds, and the short reasons for files that cannot be used."""

import os

import numpy as np
import pytest
from media_files import counted_frames, encode, tone

from ltx_core.media.audio import read_audio
from ltx_core.media.decode import frame_times, read_frames
from ltx_core.media.errors import MediaError
from ltx_core.media.probe import probe
from ltx_core.media.sheet import png
from ltx_core.media.write import encode_video


def reason(path):
    with pytest.raises(MediaError) as caught:
        probe(path)
    assert str(path) in str(caught.value)
    return caught.value.reason


def test_a_video_with_sound(video):
    info = probe(video)
    assert (info.kind, info.width, info.height, info.fps, info.frames) == ("video", 96, 64, 30.0, 100)
    assert (info.has_audio, info.audio_rate, info.audio_channels) == (True, 16000, 2)
    assert info.duration == pytest.approx(100 / 30)


def test_a_still_picture_and_a_sound_file(tmp_path):
    still = tmp_path / "still.png"
    still.write_bytes(png(counted_frames(1)[0]))
    info = probe(still)
    assert (info.kind, info.width, info.height, info.frames) == ("image", 96, 64, 1)
    sound = tmp_path / "sound.wav"
    write_wav(sound, tone(440, 1.5))
    info = probe(sound)
    assert (info.kind, info.has_audio, info.audio_rate) == ("audio", True, 16000)
    assert info.duration == pytest.approx(1.5)
    assert read_audio(sound, 0.5, 0.5, 16000).shape == (2, 8000)
    with pytest.raises(MediaError, match="no video stream"):
        frame_times(sound)


def write_wav(path, wave, rate=16000):
    import wave as wav

    with wav.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((wave.T * 32767).astype("<i2").tobytes())


def test_files_that_are_no_videos_give_short_reasons(tmp_path):
    path = tmp_path / "clip.mp4"
    assert reason(path) == "missing: no such file"
    path.write_bytes(b"")
    assert reason(path) == "empty file"
    path.write_text("These are my holiday notes, not a film.\n" * 40)
    assert reason(path).startswith("unreadable: ")
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    assert reason(path).startswith("unreadable: ")
    assert reason(tmp_path) == "unreadable: not a file"
    (tmp_path / "notes.txt").write_text("not a film")
    assert reason(tmp_path / "notes.txt").startswith("unreadable: ")


def test_truncated_files_are_errors(tmp_path):
    path = tmp_path / "cut.mp4"
    whole = encode_video(counted_frames(100), 30, tone(440, 3), 16000)
    path.write_bytes(whole[: len(whole) * 6 // 10])
    assert reason(path).startswith("truncated: ")
    assert reason(path).endswith("of 100 frames")
    encode(tmp_path / "end.mp4", counted_frames(50))
    path.write_bytes((tmp_path / "end.mp4").read_bytes()[:-900])
    assert reason(path).startswith("unreadable: ")


def test_hdr_is_refused_with_the_fix(tmp_path):
    path = tmp_path / "hdr.mp4"
    tags = "log-level=none:pools=1:transfer=smpte2084:colorprim=bt2020:colormatrix=bt2020nc"
    encode(path, counted_frames(4), "libx265", pix_fmt="yuv420p10le", **{"x265-params": tags})
    assert probe(path).hdr == "PQ"
    with pytest.raises(MediaError) as caught:
        read_frames(path, [0])
    assert caught.value.reason == "HDR video (PQ): convert it to SDR (BT.709) first"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to drop it")
def test_a_file_without_permission_is_named(video, tmp_path):
    path = tmp_path / "locked.mp4"
    path.write_bytes(video.read_bytes())
    path.chmod(0)
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        try:
            probe(path)
        except MediaError as error:
            os._exit(0 if error.reason == "unreadable: Permission denied" else 3)
        os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
