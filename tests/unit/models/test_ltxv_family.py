"""Folders of LTX-Video models: what they say, and their parts against diffusers' pipelines."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from transformers.convert_slow_tokenizer import import_protobuf
from zoo import folders, words

from ltx_core.diffusion.levels import schedule
from ltx_core.diffusion.track import Track
from ltx_core.geometry.grid import VideoGrid, VideoScale
from ltx_core.models.families import family_of
from ltx_core.models.folder import folder_component
from ltx_core.models.info import ModelError, ModelInfo
from ltx_core.models.ltxv.text import load_t5_tokenizer
from ltx_core.models.names import BOTH
from ltx_core.models.velocity import Velocity
from ltx_core.sampling.guidance import Guidance
from ltx_core.sampling.predictor import Predictor
from ltx_core.sampling.sampler import sample

KINDS = ("0.9.0", "0.9.1", "0.9.5", "0.9.7")
"""Versions that differ in more than their weights."""
SMALL = KINDS[:3]
"""Those of 2B: what is larger differs in depth alone."""
SIZE = {"width": 64, "height": 64, "num_frames": 9}
CAPTIONS = ("a dog runs", "two cats, on a mat!", "")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny model folder of a version, float32, built once."""
    built = {}

    def build(version):
        if version not in built:
            folder = tmp_path_factory.mktemp("ltxv") / version
            built[version] = folders.build_model(folder, "ltxv", version, dtype=torch.float32)
        return built[version]

    return build


def pipeline(folder, version):
    """The library's pipeline of this version."""
    return folders.pipeline_class("ltxv", version).from_pretrained(folder)


@pytest.mark.parametrize("version", KINDS)
def test_a_folder_says_its_version_and_what_depends_on_it(model, version):
    info = ModelInfo.read(model(version))
    later = version in ("0.9.5", "0.9.7")
    assert (info.family, info.version) == ("ltxv", version)
    share = (28, 48) if version == "0.9.7" else (19, 28)
    assert info.stg_block == info.blocks * share[0] // share[1]
    assert info.video_scale == VideoScale(8, 32, 32, causal=later)
    assert info.video_channels == 16 and info.audio_scale is None and info.mel is None
    assert info.text_tokens == info.context_tokens == (256 if later else 128)
    assert info.text_width == 32 and info.context_components == ()
    assert info.schedule.kind == ("linear_quadratic" if later else "by_tokens")
    assert info.schedule.terminal == (None if later else 0.1)


@pytest.mark.parametrize("version", SMALL)
def test_captions_without_padding_are_those_of_the_later_pipeline_on_their_tokens(model, version):
    from transformers import T5EncoderModel

    info = ModelInfo.read(model(version))
    codec = family_of(info).load_text(info)
    # Its T5 sees no padding, as that of the original code; that of the older pipeline does.
    pipe = pipeline(model("0.9.5"), "0.9.5")
    pipe.text_encoder = T5EncoderModel.from_pretrained(model(version) / "text_encoder").eval()
    found = [codec.encode(caption) for caption in CAPTIONS]
    states, mask = pipe._get_t5_prompt_embeds(list(CAPTIONS), max_sequence_length=info.text_tokens)
    for features, whole, valid in zip(found, states, mask, strict=True):
        assert features.dropped == 0 and features.tensors["video"].shape[0] == int(valid.sum())
        torch.testing.assert_close(features.tensors["video"], whole[valid], rtol=0, atol=1e-5)
    contexts = family_of(info).load_connectors(info).context([f.tensors for f in found], "video")
    assert contexts.shape == (3, info.text_tokens, 32)
    assert torch.equal((contexts != 0).any(-1), mask)


def test_a_long_caption_keeps_its_end_mark_and_says_what_it_lost(model):
    info = ModelInfo.read(model("0.9.0"))
    codec = family_of(info).load_text(info)
    long = "ab cd" * 60
    ids, dropped = codec.tokens(long)
    stock = codec.tokenizer(long, max_length=128, truncation=True)["input_ids"]
    assert ids == stock and len(ids) == 128
    assert dropped == len(codec.tokenizer(long)["input_ids"]) - 128 > 0
    connectors = family_of(info).load_connectors(info)
    with pytest.raises(ValueError, match=r"129 tokens of features; this model's context holds 128"):
        connectors.context([{"video": torch.ones(129, 32)}], "video")


@pytest.mark.parametrize("extra", [0, 100])
def test_a_tokenizer_of_sentencepieces_own_file_gives_the_same_tokens(tmp_path, extra):
    from transformers import T5Tokenizer

    pieces = import_protobuf().ModelProto()
    for piece, score in words.t5_pieces():
        pieces.pieces.add(piece=piece, score=score)
    (tmp_path / "spiece.model").write_bytes(pieces.SerializeToString())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"extra_ids": extra}))
    found = load_t5_tokenizer(folder_component("tokenizer", tmp_path))
    marks = [(f"<extra_id_{number}>", 0.0) for number in reversed(range(extra))]
    wanted = T5Tokenizer(vocab=[*words.t5_pieces(), *marks], extra_ids=extra)
    for caption in (*CAPTIONS, "a <extra_id_0> b"):
        assert found(caption)["input_ids"] == wanted(caption)["input_ids"]
    assert found("")["input_ids"] == [found.eos_token_id] == [1]
    (tmp_path / "spiece.model").write_bytes(b"\x0a\xff")
    with pytest.raises(ModelError, match=r"spiece\.model is damaged"):
        load_t5_tokenizer(folder_component("tokenizer", tmp_path))


@pytest.mark.parametrize("version", SMALL)
def test_pixels_to_latents_and_back_as_the_pipelines_do(model, version, monkeypatch):
    from diffusers import LTXConditionPipeline, LTXPipeline

    info = ModelInfo.read(model(version))
    codec, pipe = family_of(info).load_video_vae(info), pipeline(model(version), version)
    pixels = torch.rand(1, 3, 9, 64, 64, generator=torch.Generator().manual_seed(3)) * 2 - 1
    raw, vae = pipe.vae.encode(pixels).latent_dist.mode(), pipe.vae
    latents = codec.encode(pixels)
    wanted = LTXConditionPipeline._normalize_latents(raw, vae.latents_mean, vae.latents_std)
    torch.testing.assert_close(latents, wanted, rtol=0, atol=1e-5)
    assert latents.shape == (1, 16, 2, 2, 2) and latents.std() > 0.1
    decoded = codec.decode(latents)
    assert torch.equal(decoded, codec.decode(latents)) and decoded.shape == pixels.shape

    monkeypatch.setattr(
        type(pipe.transformer), "forward", lambda self, hidden_states, **_: (torch.zeros_like(hidden_states),)
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)  # of the noise between the layers of 0.9.1's decoder
        shown = LTXPipeline(**pipe.components)(
            **text_of(torch.ones(1, 4, 32)),
            **SIZE,
            latents=latents.flatten(2).transpose(1, 2),
            num_inference_steps=2,
            guidance_scale=1.0,
            decode_timestep=0.05,
            decode_noise_scale=0.025,
            generator=torch.Generator().manual_seed(0),
            output_type="np",
        ).frames[0]
    wanted = torch.from_numpy(np.asarray(shown)).permute(3, 0, 1, 2)[None] * 2 - 1
    torch.testing.assert_close(decoded, wanted, rtol=0, atol=1e-4)
    both = codec.decode(torch.cat([latents, latents + 1]))
    torch.testing.assert_close(both[:1], decoded, rtol=0, atol=1e-5)  # of its batch a sample takes nothing


@pytest.mark.parametrize("version", SMALL)
def test_a_sample_is_that_of_the_versions_pipeline(model, version):
    info = ModelInfo.read(model(version))
    family, pipe = family_of(info), pipeline(model(version), version)
    codec, connectors = family.load_text(info), family.load_connectors(info)
    contexts = {
        text: connectors.context([codec.encode(text).tensors], "video") for text in ("a dog runs", "")
    }
    noise = torch.randn(1, 16, 2, 2, 2, generator=torch.Generator().manual_seed(5))
    tokens = noise.flatten(2).transpose(1, 2)
    grid = VideoGrid(2, 2, 2, info.video_scale, 25.0)
    tracks = {"video": Track.of(torch.zeros_like(tokens), grid.positions()[None])}
    velocity = Velocity(family.load_transformer(info), forward=family.forward)
    predictor = Predictor(velocity, {"video": contexts["a dog runs"]}, {"video": contexts[""]})
    levels = schedule(3, info.schedule, tokens.shape[1])
    ours = sample(predictor, tracks, {"video": tokens}, levels, {"video": Guidance(cfg=3.0)})["video"]
    given = {"latents": tokens} if version in ("0.9.0", "0.9.1") else {}
    theirs = pipe(
        **text_of(contexts["a dog runs"]),
        **text_of(contexts[""], "negative_"),
        **SIZE,
        **given,
        num_inference_steps=3,
        guidance_scale=3.0,
        frame_rate=25,
        generator=torch.Generator().manual_seed(5),
        output_type="latent",
    ).frames
    theirs = theirs if theirs.ndim == 3 else theirs.flatten(2).transpose(1, 2)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert (ours - tokens).abs().max() > 0.1


def text_of(context, prefix=""):
    """A context `[1, S, D]` as the pipelines take it, by its own tokens."""
    mask = (context != 0).any(-1)
    return {f"{prefix}prompt_embeds": context, f"{prefix}prompt_attention_mask": mask}


def test_sound_is_refused(model):
    info = ModelInfo.read(model("0.9.5"))
    for load in (family_of(info).load_audio, lambda i: family_of(i).load_transformer(i, modalities=BOTH)):
        with pytest.raises(ModelError, match=r"is LTX-Video 0\.9\.5, which has no audio"):
            load(info)


@pytest.mark.parametrize(
    "sizes, parameters",
    [
        ({"attention_head_dim": 64, "cross_attention_dim": 2048, "num_layers": 28}, 1.92),
        ({"attention_head_dim": 128, "cross_attention_dim": 4096, "num_layers": 48}, 13.04),
    ],
    ids=["2B", "13B"],
)
def test_real_sizes_are_those_of_the_published_models(sizes, parameters):
    from accelerate import init_empty_weights
    from diffusers import LTXVideoTransformer3DModel

    with init_empty_weights():
        large = LTXVideoTransformer3DModel(**sizes)
    assert sum(p.numel() for p in large.parameters()) / 1e9 == pytest.approx(parameters, abs=0.005)
