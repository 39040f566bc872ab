"""What becomes of samples: files, pictures, side by side; when they are made during a training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image
from sample_cases import A2V, AUDIO, BOTH, PROMPT, V2A, VIDEO, in_mode, request

from ltx_core.config.samples import SampleSection
from ltx_core.media.decode import read_frames
from ltx_core.media.probe import probe
from ltx_core.stages.batches import Rows, open_contexts
from ltx_core.stages.generate import generate
from ltx_core.stages.hooks import make_hooks
from ltx_core.stages.network import open_velocity
from ltx_core.stages.samples import SHEET, write_samples


def test_samples_before_the_first_step_where_the_config_states_some(sampling, files):
    """Those of held-out clips would say what the report's base samples say."""
    stated = (SampleSection(prompt=PROMPT, video_dims=(32, 32, 5)),)
    cases = {(): False, stated: True}
    rows, found = Rows(sampling, []), []
    for samples, wanted in cases.items():
        context = in_mode(sampling, BOTH, samples=samples)
        (draw,) = make_hooks(context, files, rows, open_velocity(sampling), open_contexts(sampling, rows))
        assert draw.due(0, 10) is wanted
        found.append(draw)
    found[1].call(0)
    assert {path.name for path in (files / "samples" / "step_000000").iterdir()} == {"01.mp4", SHEET}
    skipping = in_mode(sampling, BOTH, samples=stated, skip_initial_validation=True)
    (draw,) = make_hooks(skipping, files, rows, open_velocity(sampling), open_contexts(sampling, rows))
    assert not draw.due(0, 10) and draw.due(100, 200)


def test_every_kind_of_sample_is_written_and_shown(sampling, files):
    """Video with sound, each given, each alone, a reference beside: one file each and one picture."""
    clip, tone = files / "clip.mp4", files / "tone.wav"
    cases = {
        "both": (in_mode(sampling, BOTH), ()),
        "v2a": (in_mode(sampling, V2A), ({"type": "video_to_audio", "video": clip},)),
        "a2v": (in_mode(sampling, A2V), ({"type": "audio_to_video", "audio": tone},)),
        "silent": (in_mode(sampling, BOTH, generate_audio=False), ()),
        "added": (in_mode(sampling, VIDEO, generate_audio=True), ()),
        "sound": (in_mode(sampling, AUDIO), ()),
        "beside": (
            in_mode(sampling, VIDEO),
            ({"type": "reference", "video": clip, "downscale_factor": 2, "include_in_output": True},),
        ),
    }
    rows = Rows(sampling, [])
    velocity, contexts = open_velocity(sampling), open_contexts(sampling, rows)
    made = {}
    for name, (context, conditions) in cases.items():
        (found,) = generate(context, velocity, contexts, [request(context, *conditions)])
        made[name] = found
        (path,) = write_samples(files / name, [found])
        info = probe(path)
        assert path.suffix == (".wav" if name == "sound" else ".mp4")
        assert info.has_audio == (name not in ("silent", "beside"))
        if name != "sound":
            assert (info.frames, info.height, info.width) == (9, 64, 128 if name == "beside" else 64)
        assert Image.open(files / name / SHEET).size[0] > 300
    stays = write_samples(
        files / "both",
        [made["sound"], replace(made["both"], request=replace(made["both"].request, name="03"))],
    )
    write_samples(files / "both", [made["sound"]])
    assert {path.name for path in (files / "both").iterdir()} == {stays[0].name, SHEET}, (
        "no earlier sample stays"
    )
    assert not list(files.glob(".tmp-*"))
    frames = read_frames(clip, list(range(9)))
    assert np.array_equal(made["v2a"].frames, frames) and made["v2a"].wave.shape == (2, 9000)
    assert np.array_equal(made["a2v"].wave, made["a2v"].request.shown.wave)
    assert made["sound"].frames is None and made["sound"].wave.shape == (2, 9000)
    assert not np.array_equal(made["both"].wave, made["v2a"].wave)
    assert made["silent"].wave is None and made["silent"].frames.shape == (9, 64, 64, 3)
