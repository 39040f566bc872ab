"""A unified file of LTX-2.3 as published: its names, sizes and outputs are the reference's."""

from __future__ import annotations

import json
import math

import pytest
from original_outputs import (
    DATA,
    DECODED,
    TOLERANCE,
    audio_errors,
    outputs,
    text_error,
    transformer_error,
    video_errors,
)

from ltx_core.models.headers import weight_shapes
from ltx_core.models.info import ModelInfo

FILE = DATA / "singlefile_2.3.safetensors"


@pytest.fixture(scope="module")
def info():
    return ModelInfo.read(FILE)


@pytest.fixture(scope="module")
def golden():
    return outputs("singlefile_2.3.outputs.safetensors")


def test_names_counts_and_config_are_the_stated_ones(info):
    wanted = json.loads((DATA / "singlefile_2.3.expected.json").read_text())
    assert info.config("transformer") == wanted["transformer_diffusers_config"]
    for part, names in (("transformer", "transformer_names"), ("vae", "video_vae_names")):
        found = {stored.key: name for name, stored in info.part(part).weights.items()}
        assert found == {name: new for name, new in wanted[names].items() if new is not None}
    counts = {name: _count(info, name) for name in ("transformer", "vae", "audio_vae", "vocoder")}
    assert counts == {name: _stated(wanted, name) for name in counts}
    both = (_stated(wanted, name) for name in ("connectors", "text_embedding_projection"))
    assert _count(info, "connectors") == tuple(map(sum, zip(*both, strict=True)))


def _count(info, name):
    shapes = weight_shapes(info, name).values()
    return len(shapes), sum(math.prod(shape) for shape in shapes)


def _stated(wanted, name):
    return wanted["components"][name]["tensors"], wanted["components"][name]["parameters"]


def test_its_facts_are_those_of_the_version(info):
    assert (info.family, info.version, info.blocks, info.video_channels) == ("ltx2", "2.3", 2, 8)
    assert (info.video_scale.time, info.video_scale.height, info.video_scale.width) == (8, 32, 32)
    assert info.audio_channels * info.audio_bins == 32 and info.wave_rate == 48000
    assert (info.mel.sample_rate, info.mel.n_fft, info.mel.hop, info.mel.f_max) == (16000, 1024, 160, 8000)


def test_the_transformer_gives_the_references_velocities(info, golden):
    assert transformer_error(info, golden) < TOLERANCE


def test_the_video_vae_gives_the_references_latents_and_pixels(info, golden):
    encoded, decoded = video_errors(info, golden)
    assert encoded < TOLERANCE and decoded < DECODED


def test_the_audio_vae_and_vocoder_give_the_references_sound(info, golden):
    encoded, decoded, wave = audio_errors(info, golden)
    assert encoded < TOLERANCE and decoded < DECODED and wave < DECODED


def test_captions_give_the_references_contexts(info, golden):
    assert text_error(info, golden) < TOLERANCE
