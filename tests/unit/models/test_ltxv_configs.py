"""The shipped configs of LTX-Video on tiny models, its named versions in the hub, modes it cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from zoo import folders, ltxv_original

from ltx_core.config.load import load
from ltx_core.config.preflight import refuse
from ltx_core.config.sources import FIRST, MODEL_VERSIONS
from ltx_core.encoding.precomputed import read_prepared
from ltx_core.encoding.precomputed_shapes import Shapes
from ltx_core.errors import ConfigError
from ltx_core.media.errors import MediaError
from ltx_core.models.info import ModelError, ModelInfo
from ltx_core.modes import MODES, Role

ROOT = Path(__file__).parents[3]
CONFIGS = {path.stem: path for path in (ROOT / "configs" / "ltxv").glob("ltxv_*.yaml")}
SMALL = [
    "dataset.buckets=[64x64x9]",
    "validation.video_dims=[64,64,9]",
    "dataset.captions.captioner=describe",
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return folders.build_model(tmp_path_factory.mktemp("ltxv") / "model", "ltxv", "0.9.5")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache of the hub, without a network; gives the folder of a repository's newest copy."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    def copy(repository):
        place = tmp_path / "hub" / f"models--{repository.replace('/', '--')}"
        (place / "refs").mkdir(parents=True, exist_ok=True)
        (place / "refs" / "main").write_text("1" * 40)
        return place / "snapshots" / ("1" * 40)

    return copy


def test_the_configs_are_those_of_the_public_trainer():
    assert CONFIGS.keys() == {
        "ltxv_2b_lora",
        "ltxv_2b_lora_low_vram",
        "ltxv_2b_full",
        "ltxv_13b_lora_cakeify",
        "ltxv_13b_ic_lora",
    }
    read = {name: load(path) for name, path in CONFIGS.items()}
    for name, config in read.items():
        large = "13b" in name
        assert config.model.model_source == ("LTXV_13B_097_DEV" if large else "LTXV_2B_0.9.6_DEV")
        assert config.training_strategy.audio is None
        assert config.training_strategy.mode == ("v2v_ic" if "ic" in name.split("_") else "i2v")
        assert (config.model.training_mode == "full") == name.endswith("full")
        assert config.optimization.enable_gradient_checkpointing or name == "ltxv_2b_lora"
        validation = config.validation
        assert (validation.inference_steps, validation.video_cfg_scale) == (50, 3.0)
        assert validation.video_dims == (704, 480, 161)
        stated = [1 for line in CONFIGS[name].read_text().splitlines() if line.strip()]
        assert len(stated) <= 25
    low = read["ltxv_2b_lora_low_vram"].acceleration
    assert (low.base_method, low.text_method) == ("int8", "int8")


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_each_config_is_ready_to_run_on_a_model_of_the_family(name, tiny, tmp_path):
    config = load(CONFIGS[name], [*SMALL, f"model.model_path={tiny}", f"workspace={tmp_path}"], ROOT)
    refuse(config)
    assert config.model.read().family == "ltxv"


@pytest.mark.parametrize("mode", [m for m in MODES if not (m.audio_optional or m.audio is Role.ABSENT)])
def test_modes_with_sound_are_refused_with_the_reason(mode, tiny, tmp_path):
    path = ROOT / "configs" / f"{mode.name}_lora.yaml"
    config = load(path, [f"model.model_path={tiny}", f"workspace={tmp_path}"], ROOT)
    with pytest.raises(
        ConfigError, match=rf"{mode.name} generates or reads audio, but the model in .* has none"
    ):
        refuse(config)


def test_a_named_version_is_its_copy_in_the_hubs_cache(hub, tmp_path):
    folders.build_model(hub("Lightricks/LTX-Video-0.9.5"), "ltxv", "0.9.5")
    overrides = ["model.model_source=LTXV_2B_0.9.5"]
    info = load(CONFIGS["ltxv_2b_lora"], overrides, tmp_path).model.read()
    assert info.version == "0.9.5" and {"text_encoder", "tokenizer"} <= set(info.components)


def test_another_path_that_is_not_there_is_no_reason_to_take_the_named_version(hub, tmp_path):
    folders.build_model(hub("Lightricks/LTX-Video-0.9.5"), "ltxv", "0.9.5")
    overrides = ["model.model_source=LTXV_2B_0.9.5", "model.model_path=/nowhere/mine"]
    with pytest.raises(ModelError, match="no model in /nowhere/mine"):
        load(CONFIGS["ltxv_2b_lora"], overrides, tmp_path).model.read()


def test_a_version_that_is_a_file_has_the_first_repositorys_text_encoder(hub, tmp_path):
    later = folders.build_model(tmp_path / "later", "ltxv", "0.9.6")
    first = folders.build_model(hub(FIRST), "ltxv", "0.9.0")
    config = load(CONFIGS["ltxv_2b_lora"], [], tmp_path)
    with pytest.raises(ModelError, match=r"hf download Lightricks/LTX-Video ltxv-2b-0\.9\.6-dev-04-25"):
        config.model.read()
    file = MODEL_VERSIONS["LTXV_2B_0.9.6_DEV"].removeprefix(f"{FIRST}/")
    ltxv_original.write_single_file(later, "0.9.6", first / file)
    info = config.model.read()
    assert info.version == "0.9.5", "the first version with this autoencoder"
    assert info.part("transformer").place == first / file
    assert info.part("text_encoder").place == first / "text_encoder"
    info.require("transformer", "vae", "text_encoder", "tokenizer")


def test_data_that_the_public_trainer_prepared_is_read(tiny, tmp_path):
    shapes = Shapes.of(ModelInfo.read(tiny))
    draw = torch.Generator().manual_seed(0)
    mask, text = torch.zeros(256), torch.randn(256, 32, generator=draw)
    mask[:7] = 1
    torch.save({"prompt_embeds": text, "prompt_attention_mask": mask}, tmp_path / "caption.pt")
    caption = read_prepared(tmp_path / "caption.pt", "text", shapes)
    assert caption.tensors.keys() == {"video"} and torch.equal(caption.tensors["video"], text[:7])
    tokens = torch.randn(2 * 2 * 3, 16, generator=draw)
    facts = {"num_frames": 2, "height": 2, "width": 3, "fps": 25.0}
    torch.save({"latents": tokens, **facts}, tmp_path / "clip.pt")
    clip = read_prepared(tmp_path / "clip.pt", "video", shapes)
    assert clip.tensors["latents"].shape == (16, 2, 2, 3) and clip.columns["bucket"] == "96x64x9"
    with pytest.raises(MediaError, match="it has no audio"):
        read_prepared(tmp_path / "clip.pt", "audio", shapes)
