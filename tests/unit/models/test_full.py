"""A transformer that was trained whole: its folder, and the way back to its base."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ltx_core.models.folder import folder_component
from ltx_core.models.forward import transformer_forward
from ltx_core.models.full import CONFIG, WEIGHTS, load_full, save_full, stored_weights, swapped, train_all
from ltx_core.models.headers import weight_shapes
from ltx_core.models.info import ModelError, ModelInfo
from ltx_core.models.lora.adapters import add_lora, save_lora
from ltx_core.models.ltx2 import load_transformer
from ltx_core.models.names import BOTH, runs_with, to_original
from ltx_core.models.options import LoraOptions
from ltx_core.models.safetensors_file import file_metadata

INFO = ModelInfo.read(Path(__file__).parents[3] / "data" / "model")
BASE = INFO.path / "transformer"


def changed(modalities=BOTH):
    """The demo's transformer after some training of `modalities`."""
    model = load_transformer(INFO, modalities=modalities)
    train_all(model, modalities)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=draw))
    return model


def run(model, streams):
    with torch.no_grad():
        return torch.cat([out.flatten() for out in transformer_forward(model, **streams)])


@pytest.mark.parametrize("modalities", [("video",), ("audio",), BOTH])
def test_the_product_is_whole_and_loads_as_any_transformer(tmp_path, demo_streams, modalities):
    from diffusers import LTX2VideoTransformer3DModel

    model = changed(modalities)
    for name in ("one", "two"):
        save_full(tmp_path / name, model, [BASE], {"mode": "x", "step": "3"}, torch.float32)
    files = [sorted(path.read_bytes() for path in (tmp_path / name).iterdir()) for name in ("one", "two")]
    assert files[0] == files[1], "a function of the weights"
    folder = tmp_path / "one"
    assert file_metadata(folder / WEIGHTS) == {"format": "pt", "mode": "x", "step": "3"}
    found, base = load_file(folder / WEIGHTS), load_file(BASE / WEIGHTS)
    assert found.keys() == base.keys() == weight_shapes(INFO, "transformer").keys()
    same = {name for name in base if torch.equal(found[name], base[name])}
    assert same == {name for name in base if not runs_with(name, modalities)}
    theirs, report = LTX2VideoTransformer3DModel.from_pretrained(
        folder, local_files_only=True, output_loading_info=True
    )
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    ours = load_transformer(INFO, component=folder_component("transformer", folder))
    torch.testing.assert_close(run(ours, demo_streams), run(theirs, demo_streams), rtol=0, atol=1e-5)
    save_full(tmp_path / "half", model, [BASE], {}, torch.bfloat16)
    half = load_file(tmp_path / "half" / WEIGHTS)
    assert all(torch.equal(half[name], found[name].to(torch.bfloat16)) for name in found)


def test_what_was_not_trained_comes_from_where_the_training_began(tmp_path):
    save_full(tmp_path / "sound", changed(["audio"]), [BASE], {})
    video = load_transformer(INFO, modalities=["video"])
    load_full(video, tmp_path / "sound" / WEIGHTS)
    save_full(tmp_path / "both", video, [tmp_path / "sound" / WEIGHTS, BASE], {})
    first, second = (load_file(tmp_path / name / WEIGHTS) for name in ("sound", "both"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (tmp_path / "both" / CONFIG).read_bytes() == (BASE / CONFIG).read_bytes()


def test_inside_the_block_it_is_the_base_bit_for_bit_whatever_happens_there(tmp_path, demo_streams):
    model = changed()
    save_full(tmp_path / "product", model, [BASE], {}, torch.bfloat16)
    trained = load_transformer(
        INFO, dtype=torch.bfloat16, component=folder_component("transformer", tmp_path / "product")
    )
    before = run(trained, demo_streams)
    with pytest.raises(KeyError), swapped(trained, BASE, tmp_path / "product"):
        inside = run(trained, demo_streams)
        raise KeyError
    assert torch.equal(inside, run(load_transformer(INFO, dtype=torch.bfloat16), demo_streams))
    assert torch.equal(run(trained, demo_streams), before) and not torch.equal(inside, before)


def test_weights_under_original_names_are_read_and_others_refused(tmp_path):
    weights = load_file(BASE / WEIGHTS)
    renamed = {f"model.diffusion_model.{to_original(n)}": t + 1 for n, t in weights.items()}
    save_file(renamed | {"vae.encoder.weight": torch.zeros(1)}, tmp_path / "original.safetensors")
    model = load_transformer(INFO)
    load_full(model, tmp_path / "original.safetensors")
    assert all(torch.equal(p, weights[name] + 1) for name, p in model.named_parameters())
    adapted = load_transformer(INFO)
    add_lora(adapted, LoraOptions(rank=2), 0)
    save_lora(tmp_path / "lora.safetensors", adapted, {})
    with pytest.raises(ModelError, match=r"is a LoRA; .* `training_mode: lora`"):
        stored_weights(tmp_path / "lora.safetensors")
    with pytest.raises(ModelError, match="does not exist"):
        load_full(model, tmp_path / "nothing.safetensors")
    save_file({n: t for n, t in weights.items() if n != "proj_in.bias"}, tmp_path / "part.safetensors")
    with pytest.raises(ModelError, match=r"proj_in\.bias is not there, it must be \(128,\)"):
        load_full(model, tmp_path / "part.safetensors")
    save_file(weights | {"proj_in.bias": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match=r"does not fit this model: proj_in\.bias is \(3,\)"):
        load_full(model, tmp_path / "other.safetensors")
    assert all(torch.equal(p, weights[name] + 1) for name, p in model.named_parameters()), "nothing changed"
