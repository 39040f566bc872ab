"""A small prepared folder, and the older trainer's configs that train the demo's model on it."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from ltx_core.assemble import assemble
from ltx_core.config.load import build
from ltx_core.errors import LegacyConfigWarning
from ltx_core.run import Pipeline
from ltx_core.stages.batches import Rows, scales
from ltx_core.stages.dataset import load_samples
from ltx_core.stages.imported import sample_id
from ltx_core.stages.train import step_options, train
from ltx_core.training.draws import Draws
from ltx_core.training.log import read_metrics
from ltx_core.training.step import prepare

ROOT = Path(__file__).parents[3]
NAMES = ("a/film_1", "a/film_2", "b/film_1", "b/film_2")
TOKENS, FRAME = 8, 4
"""Of a clip, and of its first latent frame."""
LAYER = "transformer_blocks.0.attn1.to_k"
PLAIN = {
    "model": {"model_source": str(ROOT / "data" / "model")},
    "lora": {"rank": 4, "alpha": 4, "target_modules": ["to_k", "to_q"]},
    "conditioning": {"mode": "none", "first_frame_conditioning_p": 0},
    "optimization": {"learning_rate": 1e-2, "steps": 2, "batch_size": 2},
    "acceleration": {"mixed_precision_mode": "no", "threads": 1, "device": "cpu"},
    "data": {"preprocessed_data_root": "films"},
    "validation": {"interval": None},
    "flow_matching": {"timestep_sampling_mode": "uniform"},
    "dataset": {"holdout": {"fraction": 0.01}},
    "engine": {"threads": 1},
}


def write(folder, seed=0, scale=1.0):
    """Prepared clips with two kinds of references."""
    draw = torch.Generator().manual_seed(seed)
    for name in NAMES:
        text = {"prompt_embeds": torch.randn(16, 64, generator=draw), "prompt_attention_mask": torch.ones(16)}
        contents = {"conditions": text}
        for column in ("latents", "edges", "depths"):
            tensor = scale * torch.randn(32, 2, 2, 2, generator=draw)
            contents[column] = {"latents": tensor.bfloat16(), "fps": torch.tensor(12.0)}
        for column, content in contents.items():
            path = folder / ".precomputed" / column / f"{name}.pt"
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(content, path)


def opened(place, **sections):
    """The context of an older config with these sections changed, its data read; paths are in `place`."""
    raw = {name: PLAIN.get(name, {}) | sections.get(name, {}) for name in {**PLAIN, **sections}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LegacyConfigWarning)
        config = build({"workspace": "workspace", "tensorboard": False, **raw}, place, "older.yaml")
    pipe = Pipeline(config)
    for stage in pipe.stages("dataset"):
        for chunk in pipe.plan(stage).chunks:
            pipe.compute(stage, chunk)
    pipe.context.refresh()
    return pipe.context


def trained(context, folder):
    """The records and the state of the config's training, which nothing measures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ltx_core.stages.hooks.make_hooks", lambda *_: [])
        state = train(context, folder, "a run").checkpoint / "state"
    return SimpleNamespace(
        rows=read_metrics(folder),
        weights=load_file(state / "parameters.safetensors"),
        moments=load_file(state / "optimizer.safetensors"),
    )


def same(one, other):
    """Whether two runs have learnt the same, to the bit."""
    a, b = one.weights, other.weights
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def read(context):
    """(rows, batch) of all clips."""
    rows = Rows(context, load_samples(context)[1])
    return rows, rows.reader()([sample_id(name) for name in NAMES])


def prepared(context, batch, step=0):
    """The batch as the model gets it in a step."""
    config = context.config

    def assembled(given, coins):
        return assemble(config.training_strategy, given, scales(context), coins)

    return prepare(batch, batch.clip_ids, Draws(config.seed, step), assembled, step_options(config))
