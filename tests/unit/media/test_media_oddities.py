"""Every oddity of the torture folder, read as it is meant to be seen or refused with the right reason."""

import os
import re

import numpy as np
import pytest
from torture_checks import facts_that_differ

from data.make.torture.case import number_of
from data.make.torture.folder import CASES
from ltx_core.media.audio import read_audio
from ltx_core.media.decode import frame_times, read_frames
from ltx_core.media.errors import MediaError
from ltx_core.media.film import every_frame
from ltx_core.media.probe import probe
from ltx_core.media.treatment import PLAIN

LARGE = ("8k.mp4", "8k.png", "untagged_hd.mp4")
"""Read by the whole run of the folder (tests/prove)."""
QUICK = [case for case in CASES if case.name not in LARGE]
USED = [case for case in QUICK if case.outcome in ("used", "short")]
REFUSED = [case for case in QUICK if case.outcome == "rejected"]


def written(case, folder):
    path = folder / case.name
    path.parent.mkdir(parents=True, exist_ok=True)
    case.make(path)
    return path


@pytest.mark.parametrize("case", USED, ids=lambda case: repr(case.name))
def test_a_file_is_read_as_it_is_shown(case, tmp_path):
    path = written(case, tmp_path)
    info = probe(path)
    assert facts_that_differ(case, vars(info)) == {}
    times = frame_times(path)
    assert len(times) == info.frames and times == sorted(times)
    at = sorted({0, len(times) // 3, len(times) - 1})
    frames = read_frames(path, at)
    assert frames.shape == (len(at), info.height, info.width, 3)
    small = {shown.number: shown.at(96) for shown in every_frame(path)}
    assert list(small) == list(range(len(times)))
    if case.counted:
        assert [number_of(frame) for frame in frames] == [case.first + number for number in at]
        assert [number_of(frame) for frame in small.values()] == [case.first + number for number in small]
    wave = read_audio(path, max(times[0], 0.0), 1.0, 8000)
    assert (wave is not None) == info.has_audio
    assert wave is None or (wave.shape == (2, 8000) and np.isfinite(wave).all())


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: repr(case.name))
def test_a_file_is_refused_with_its_reason(case, tmp_path):
    path = written(case, tmp_path)
    if case.name == "locked.mp4" and os.geteuid() == 0:
        pytest.skip("root can read what nobody may")
    assert case.reason
    assert re.search(case.reason, _reason(path)), _reason(path)


def _reason(path):
    """Why a file cannot be used, as the stages `sources` and `scenes` find out."""
    try:
        info = probe(path)
        if PLAIN.refusal(info):
            return PLAIN.refusal(info) + ", or set `dataset.hdr: tonemap`"
        if info.kind == "audio":
            return "audio, not a video"
        shown = sum(1 for _ in every_frame(path))
    except MediaError as error:
        return error.reason
    assert shown < 0.98 * info.frames
    return f"unreadable: {shown} of {info.frames} frames can be decoded"
