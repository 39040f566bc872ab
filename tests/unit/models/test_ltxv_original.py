"""LTX-Video in the original layout: what is read is what the folder says, with and without a config."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from zoo import folders, ltx2_original, ltxv_original

from ltx_core.models.component import Stored
from ltx_core.models.folder import read_folder
from ltx_core.models.info import ModelError
from ltx_core.models.ltxv.facts import ltxv_facts
from ltx_core.models.ltxv.original import is_original_ltxv, read_original_ltxv, transformer_parts
from ltx_core.models.ltxv.original_vae import ltxv_vae
from ltx_core.models.names import to_original

KINDS = ("0.9.0", "0.9.1", "0.9.5")
"""Versions whose files differ in more than their sizes."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny model of a version as a folder and as one file."""
    built = {}

    def build(version):
        if version not in built:
            place = tmp_path_factory.mktemp("original")
            folder = folders.build_model(place / version, "ltxv", version)
            ltxv_original.write_single_file(folder, version, place / "one.safetensors")
            built[version] = folder, place / "one.safetensors"
        return built[version]

    return build


def without_config(file, target, heads=None):
    """The same file as older versions were published; the number of heads is then not known."""
    with safe_open(file, "pt") as handle:
        stated = json.loads(handle.metadata()["config"])
        weights = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    metadata = {"config": json.dumps({"transformer": {"num_attention_heads": heads}})} if heads else {}
    assert set(stated) == {"transformer", "vae", "scheduler"}
    save_file(weights, target, metadata)
    return target


@pytest.mark.parametrize("silent", [False, True], ids=["config", "shapes alone"])
@pytest.mark.parametrize("version", KINDS)
def test_one_file_is_the_folder(model, version, silent, tmp_path):
    folder, file = model(version)
    if silent:
        file = without_config(file, tmp_path / "silent.safetensors", heads=2)
    assert is_original_ltxv(file)
    wanted, found = read_folder(folder), read_original_ltxv([file])
    assert found.keys() == {"transformer", "vae", "scheduler"}
    assert ltxv_facts(found) == ltxv_facts(wanted)
    for name in ("transformer", "vae"):
        assert found[name].weights.keys() == wanted[name].weights.keys()
        for weight, stored in found[name].weights.items():
            assert torch.equal(stored.read(), wanted[name].weights[weight].read()), weight
        assert built(found[name].config) == built(wanted[name].config)


def built(config):
    """The config of the library's module, its defaults filled in."""
    import diffusers
    from accelerate import init_empty_weights

    with init_empty_weights():
        module = getattr(diffusers, config["_class_name"]).from_config(config)
    return {name: value for name, value in module.config.items() if not name.startswith("_")}


REAL = {
    "0.9.0": {},
    "0.9.1": {
        "decoder_block_out_channels": (256, 512, 1024),
        "decoder_layers_per_block": (5, 6, 7, 8),
        "decoder_spatio_temporal_scaling": (True, True, True),
        "decoder_inject_noise": (True, True, True, False),
        "upsample_residual": (True, True, True),
        "upsample_factor": (2, 2, 2),
        "timestep_conditioning": True,
    },
    "0.9.5": {
        "block_out_channels": (128, 256, 512, 1024, 2048),
        "down_block_types": ("LTXVideo095DownBlock3D",) * 4,
        "decoder_block_out_channels": (256, 512, 1024),
        "layers_per_block": (4, 6, 6, 2, 2),
        "decoder_layers_per_block": (5, 5, 5, 5),
        "spatio_temporal_scaling": (True, True, True, True),
        "decoder_spatio_temporal_scaling": (True, True, True),
        "decoder_inject_noise": (False, False, False, False),
        "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
        "upsample_residual": (True, True, True),
        "upsample_factor": (2, 2, 2),
        "timestep_conditioning": True,
        "spatial_compression_ratio": 32,
        "temporal_compression_ratio": 8,
    },
}
"""What the autoencoder of a version states beyond the class's defaults (diffusers' converter)."""


@pytest.mark.parametrize("version", KINDS)
def test_the_real_autoencoders_have_the_names_that_the_librarys_converter_gives(version, tmp_path):
    from accelerate import init_empty_weights
    from diffusers import AutoencoderKLLTXVideo
    from diffusers.loaders.single_file_utils import convert_ltx_vae_checkpoint_to_diffusers

    with init_empty_weights():
        vae = AutoencoderKLLTXVideo(**REAL[version])
    state = {name: value.to("meta") for name, value in vae.state_dict().items()}
    original = {ltxv_original.vae_name(name, version): (name, value) for name, value in state.items()}
    given = {f"vae.{name}": value for name, (_, value) in original.items()}
    converted = convert_ltx_vae_checkpoint_to_diffusers(dict(given))
    assert converted.keys() == state.keys()  # the file is one that the library reads

    stored = {name: Stored(tmp_path, name, tuple(value.shape)) for name, (_, value) in original.items()}
    config, weights = ltxv_vae(stored, {})
    assert {name: found.key for name, found in weights.items()} == {
        name: key for key, (name, _) in original.items()
    }
    stated = {key: list(value) if isinstance(value, tuple) else value for key, value in REAL[version].items()}
    assert {key: built(config)[key] for key in stated} == stated


@pytest.mark.parametrize("head, blocks", [(64, 28), (128, 48)], ids=["2B", "13B"])
def test_the_real_transformers_are_known_by_their_shapes(head, blocks, tmp_path):
    from accelerate import init_empty_weights
    from diffusers import LTXVideoTransformer3DModel

    sizes = {"attention_head_dim": head, "cross_attention_dim": 32 * head, "num_layers": blocks}
    with init_empty_weights():
        real = LTXVideoTransformer3DModel(**sizes)
    stored = {
        to_original(name): Stored(tmp_path, name, tuple(value.shape))
        for name, value in real.state_dict().items()
    }
    config, weights = transformer_parts(stored, {})
    assert weights.keys() == real.state_dict().keys()
    assert built(config) == {name: value for name, value in real.config.items() if not name.startswith("_")}


def test_what_is_no_such_file_is_refused(model, tmp_path):
    _, file = model("0.9.5")
    strange = tmp_path / "strange.safetensors"
    mark = {"model.diffusion_model.patchify_proj.weight": torch.ones(2, 2)}
    save_file({**mark, "other": torch.ones(1)}, strange)
    with pytest.raises(ModelError, match="no LTX-Video checkpoint: other belongs to no part"):
        read_original_ltxv([strange])
    with pytest.raises(ModelError, match="both hold"):
        read_original_ltxv([file, file])
    half = tmp_path / "half.safetensors"
    save_file({"transformer_blocks.0.attn2.to_k.weight": torch.ones(2, 2)}, half)
    with pytest.raises(ModelError, match=r"no whole transformer: it has no 'patchify_proj\.weight'"):
        _ = read_original_ltxv([half])["transformer"].config


def test_a_file_of_the_other_family_is_told_apart(tmp_path):
    folder = folders.build_model(tmp_path / "2.3", "ltx2", "2.3")
    file = tmp_path / "ltx2.safetensors"
    ltx2_original.write_single_file(folder, "2.3", file)
    assert not is_original_ltxv(file)
