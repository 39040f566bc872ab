"""Captioners in this process: tiny random ones of every kind, saved and loaded as real ones are."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_captioners import save
from transformers.models.qwen2_5_omni.processing_qwen2_5_omni import (
    _get_feat_extract_output_lengths as lengths_of_omni,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen3_omni_moe.processing_qwen3_omni_moe import (
    _get_feat_extract_output_lengths as lengths_of_omni3,
)

from ltx_core.models.captioner.kinds import KINDS
from ltx_core.models.captioner.model import Scene, load_captioner
from ltx_core.models.captioner.pixels import PixelOptions, chosen_frames, patches
from ltx_core.models.errors import ModelError
from ltx_core.models.quantise.layers import QuantisedLinear

NAMES = [kind.model_types[0] for kind in KINDS]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("captioners")
    return {name: save(name, root / name) for name in NAMES}


@pytest.fixture(scope="module")
def models(folders):
    return {name: load_captioner(folder, CPU, torch.float32) for name, folder in folders.items()}


def scenes(hears, count=2):
    rng = np.random.default_rng(0)
    for _ in range(count):
        frames = rng.integers(0, 255, (9, 64, 96, 3), np.uint8)
        sound = (0.1 * rng.normal(size=18_000)).astype(np.float32)
        yield Scene(frames, 8.0, sound if hears else None, "What is <|im_end|> it?")


@pytest.mark.parametrize("name", NAMES)
def test_words_come_out_and_a_batch_says_what_each_alone_says(models, name):
    model = models[name]
    asked = list(scenes(model.hears))
    together = model.captions(asked, 4, 2.0)
    assert together == [model.captions([scene], 4, 2.0)[0] for scene in asked]
    assert all(said.text and said.completion_tokens <= 4 for said in together)
    # Padded on the left, a question in longer company has the same answer.
    short = Scene(asked[0].frames, 8.0, None, "?")
    assert model.captions([short, asked[1]], 4, 2.0)[0] == model.captions([short], 4, 2.0)[0]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_seen_and_heard_changes_what_the_model_thinks(models, name):
    model = models[name]

    def thought(scene):
        with torch.inference_mode():
            return model.model(**model._batch([model._prepared(scene, 2.0)])).logits[0, -1]

    first, second = scenes(model.hears)
    mixed = [Scene(second.frames, 8.0, first.sound, first.prompt)]
    mixed += [Scene(first.frames, 8.0, second.sound, first.prompt)] if model.hears else []
    assert torch.equal(thought(first), thought(first))
    assert all(not torch.equal(thought(first), thought(other)) for other in mixed)


@pytest.mark.parametrize(
    ("name", "lengths"), list(zip(NAMES[1:], (lengths_of_omni, lengths_of_omni3), strict=True))
)
def test_a_sound_has_as_many_tokens_as_the_processors_give_it(models, name, lengths):
    model = models[name]
    for frames in (2, 9, 57, 99, 100, 101, 250, 1024):
        assert model._sound_tokens(frames) == int(lengths(torch.tensor(frames)))


@pytest.mark.parametrize("name", NAMES[1:])
def test_sound_alone_is_captioned_by_those_that_hear(models, name):
    model = models[name]
    (scene,) = scenes(hears=True, count=1)
    assert model.captions([Scene(None, 0.0, scene.sound, "What?")], 4, 2.0)[0].text
    with pytest.raises(ModelError, match=r"Qwen2\.5-Omni or Qwen3-Omni"):
        models[NAMES[0]].captions([Scene(None, 0.0, scene.sound, "What?")], 4, 2.0)


def test_patches_are_those_of_the_image_processor():
    """Of a step of two equal frames, which is what it makes of an image."""
    rng = np.random.default_rng(1)
    for height, width in ((100, 150), (64, 64), (300, 90)):
        picture = rng.integers(0, 255, (height, width, 3), np.uint8)
        size = {"shortest_edge": 4 * 28 * 28, "longest_edge": 40 * 28 * 28}
        theirs = Qwen2VLImageProcessorPil(size=size)(picture, return_tensors="np")
        options = PixelOptions.of({}, {"size": size}, 14)
        ours, grid = patches(np.stack([picture, picture]), options)
        assert list(grid) == theirs["image_grid_thw"][0].tolist()
        np.testing.assert_allclose(ours, theirs["pixel_values"], atol=2e-6)
    # In a step of two frames, each patch holds colour, frame, row and column in this order.
    steps, _ = patches(np.stack([picture, 255 - picture]), options)
    cubes = steps.reshape(-1, 3, 2, 14, 14)
    mean, std = (np.array(values)[None, :, None, None] for values in (options.mean, options.std))
    colours = cubes * std[:, :, None] + mean[:, :, None]
    np.testing.assert_allclose(colours[:, :, 0] + colours[:, :, 1], 1.0, atol=0.02)


def test_frames_are_chosen_by_their_time():
    assert chosen_frames(89, 24.0, 2.0, 2).tolist() == [0, 14, 29, 44, 59, 74]
    assert chosen_frames(1, 24.0, 2.0, 2).tolist() == [0, 0]
    assert len(chosen_frames(9, 8.0, 100.0, 2)) == 8


@pytest.mark.parametrize("name", NAMES)
def test_the_language_tower_may_be_quantised_and_nothing_else(folders, name):
    model = load_captioner(folders[name], CPU, torch.float32, "int8")
    quantised = {n for n, layer in model.model.named_modules() if isinstance(layer, QuantisedLinear)}
    assert quantised and all(".language_model.layers." in n for n in quantised)
    assert not any(n.endswith(".mlp.gate") for n in quantised)
    (scene,) = scenes(model.hears, count=1)
    assert model.captions([scene], 4, 2.0)[0].text


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_whole_omni_model_is_read_without_its_talker(folders, models, name, tmp_path):
    whole = tmp_path / "whole"
    whole.mkdir()
    for path in folders[name].iterdir():
        (whole / path.name).write_bytes(path.read_bytes())
    weights = load_file(whole / "model.safetensors")
    named = {f"thinker.{key}": value for key, value in weights.items()}
    save_file(
        {**named, "talker.codec_head.weight": torch.zeros(2, 2)},
        whole / "model.safetensors",
        {"format": "pt"},
    )
    config = json.loads((whole / "config.json").read_text())
    config.pop("architectures")
    (whole / "config.json").write_text(json.dumps({"model_type": name, "thinker_config": config}))
    (scene,) = scenes(hears=True, count=1)
    ours = load_captioner(whole, CPU, torch.float32).captions([scene], 4, 2.0)
    assert ours == models[name].captions([scene], 4, 2.0)


def test_a_damaged_folder_is_named(folders, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    with pytest.raises(ModelError, match="is no folder"):
        load_captioner(tmp_path / "none", CPU, torch.float32)
    with pytest.raises(ModelError, match=r"config\.json cannot be read"):
        load_captioner(broken, CPU, torch.float32)
    (broken / "config.json").write_text('{"model_type": "gemma3"}')
    with pytest.raises(ModelError, match="holds a 'gemma3' model"):
        load_captioner(broken, CPU, torch.float32)
    for path in folders[NAMES[0]].iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    weights = load_file(broken / "model.safetensors")
    lost = next(key for key in weights if key.endswith("self_attn.k_proj.weight"))
    del weights[lost]
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights, such as .*k_proj\.weight"):
        load_captioner(broken, CPU, torch.float32)
    config = json.loads((folders[NAMES[0]] / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**config, "video_token_id": 7}))
    (broken / "model.safetensors").write_bytes((folders[NAMES[0]] / "model.safetensors").read_bytes())
    with pytest.raises(ModelError, match="they belong to different models"):
        load_captioner(broken, CPU, torch.float32)
