"""The choice of frames by time, for any time stamps."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ltx_core.media.window import FrameWindow, nearest_frames

times = st.lists(st.floats(0.001, 0.2), min_size=1, max_size=60).map(
    lambda steps: [sum(steps[:n]) for n in range(len(steps))]
)


@settings(max_examples=200, deadline=None)
@given(times=times, start=st.floats(-1, 8), fps=st.floats(1, 120), count=st.integers(1, 50))
def test_nearest_frames_rise_stay_inside_and_are_nearest(times, start, fps, count):
    frames = nearest_frames(times, start, fps, count)
    assert len(frames) == count
    assert frames == sorted(frames)
    assert 0 <= frames[0] <= frames[-1] < len(times)
    for number, frame in enumerate(frames):
        wanted = start + number / fps
        assert abs(times[frame] - wanted) <= min(abs(time - wanted) for time in times) + 2e-6


def test_equal_rates_give_every_frame_and_the_scene_is_not_left():
    times = [n / 24 for n in range(100)]
    assert nearest_frames(times, 10 / 24, 24, 20) == list(range(10, 30))
    assert nearest_frames(times, 0, 8, 9) == list(range(0, 27, 3))
    window = FrameWindow(start=10 / 24, fps=10, count=30, first=10, last=40)
    assert window.duration == 3.0
    frames = window.frames(times)
    assert frames[0] == 10
    assert frames[-1] == 39
