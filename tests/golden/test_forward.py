"""The forward pass against the reference implementation's outputs on the same tiny random weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from ltx_core.models.forward import transformer_forward
from ltx_core.models.stream import Stream

DATA = Path(__file__).parent / "data"
TOLERANCE = 1e-5
CASES = sorted(path.stem.removeprefix("forward_") for path in DATA.glob("forward_*.safetensors"))


def golden_transformer(version, **changes):
    """The tiny transformer of `version` with the golden weights."""
    from diffusers import LTX2VideoTransformer3DModel

    path = DATA / f"weights_{version}.safetensors"
    with safe_open(path, "pt") as file:
        config = json.loads(file.metadata()["config"])
    model = LTX2VideoTransformer3DModel.from_config({**config, **changes})
    model.load_state_dict(load_file(path), strict=True)
    return model.eval()


def golden_case(name):
    """Streams, expected velocities and metadata of a forward case."""
    path = DATA / f"forward_{name}.safetensors"
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        facts = file.metadata()
    fields = ("tokens", "timesteps", "sigma", "positions", "context")
    streams, expected = {}, {}
    for modality in ("video", "audio"):
        found = f"{modality}.tokens" in tensors
        streams[modality] = Stream(*(tensors[f"{modality}.{f}"] for f in fields)) if found else None
        expected[modality] = tensors.get(f"{modality}.velocity")
    return streams, expected, facts


def largest(found, expected):
    return max((f - e).abs().max().item() for f, e in zip(found, expected, strict=True) if e is not None)


@pytest.mark.parametrize("case", CASES)
def test_equals_the_reference(case):
    streams, expected, facts = golden_case(case)
    model = golden_transformer(facts["version"])
    with torch.no_grad():
        found = transformer_forward(
            model,
            streams["video"],
            streams["audio"],
            cross_attention=facts["cross_attention"] == "true",
            stg_blocks=json.loads(facts["stg_blocks"]),
        )
    assert [f is None for f in found] == [expected[m] is None for m in ("video", "audio")]
    assert largest(found, expected.values()) < TOLERANCE


def stock(model, streams, **options):
    """diffusers' own forward on the same inputs."""
    video, audio = streams["video"], streams["audio"]
    return model(
        hidden_states=video.tokens,
        audio_hidden_states=audio.tokens,
        encoder_hidden_states=video.context,
        audio_encoder_hidden_states=audio.context,
        timestep=video.timesteps * 1000,
        audio_timestep=audio.timesteps * 1000,
        sigma=video.sigma * 1000,
        audio_sigma=audio.sigma * 1000,
        video_coords=video.positions,
        audio_coords=audio.positions,
        return_dict=False,
        **options,
    )


@pytest.mark.parametrize("version", ["2.0", "2.3"])
def test_equals_diffusers_where_that_is_right_and_differs_where_it_is_not(version):
    model = golden_transformer(version)
    streams, _, _ = golden_case(f"{version}_uniform_av")
    with torch.no_grad():
        ours = transformer_forward(model, **streams)
        assert largest(ours, stock(model, streams)) < TOLERANCE
        isolated = transformer_forward(model, **streams, cross_attention=False)
        assert largest(isolated, stock(model, streams, isolate_modalities=True)) < TOLERANCE
        streams, expected, _ = golden_case(f"{version}_first_frame")
        assert largest(stock(model, streams), expected.values()) > 1e-3


def test_guidance_by_values_works_whatever_processor_the_config_asks_for():
    streams, expected, _ = golden_case("2.3_stg")
    model = golden_transformer("2.3", perturbed_attn=False)
    with torch.no_grad():
        found = transformer_forward(model, **streams, stg_blocks=[1])
    assert largest(found, expected.values()) < TOLERANCE
