"""A video that many tests of this folder read."""

import pytest
from media_files import counted_frames, tone

from ltx_core.media.write import write_video


@pytest.fixture(scope="session")
def video(tmp_path_factory):
    """100 counted frames at 30 fps with a tone of 440 Hz."""
    path = tmp_path_factory.mktemp("media") / "counted.mp4"
    write_video(path, counted_frames(100), 30, tone(440, 100 / 30), 16000)
    return path
