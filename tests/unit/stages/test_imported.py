"""Data that the public trainer prepared: equal to our own, whatever its form; bad files are set aside."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from public_layout import export

from ltx_core.assemble import assemble
from ltx_core.config.load import load
from ltx_core.diffusion.flow_match import corrupt
from ltx_core.errors import LtxError
from ltx_core.run import Pipeline
from ltx_core.stages.batches import Rows, open_contexts, scales
from ltx_core.stages.dataset import load_samples, rejections
from ltx_core.stages.imported import sample_id
from ltx_core.stages.network import open_velocity

ROOT = Path(__file__).parents[3]
QUICK = (
    "engine.threads=1",
    "acceleration.threads=1",
    "dataset.source=/nowhere",
    "dataset.holdout.fraction=0.4",
    "validation.heldout_levels=2",
)


def opened(workspace, *overrides, config="t2v_lora.yaml"):
    return Pipeline(load(ROOT / "configs" / config, [f"workspace={workspace}", *QUICK, *overrides], ROOT))


def prepare(pipe, until="dataset"):
    for stage in pipe.stages(until):
        for chunk in pipe.plan(stage).chunks:
            pipe.compute(stage, chunk)
    pipe.context.refresh()
    return Rows(pipe.context, load_samples(pipe.context)[1]) if until == "dataset" else None


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    """Our own dataset of two films, one of them silent, with references."""
    source, workspace = tmp_path_factory.mktemp("footage"), tmp_path_factory.mktemp("native")
    for path in (ROOT / "data" / "footage").glob("*"):
        if path.stem.split(".")[0] in ("wide", "silent_film"):
            shutil.copy(path, source)
    conditions = "{type: reference}, {type: mask, mask_dir: video_masks}"
    strategy = f"training_strategy={{video: {{conditions: [{conditions}]}}, audio: {{}}}}"
    return prepare(opened(workspace, f"dataset.source={source}", strategy)), strategy


@pytest.fixture(scope="module")
def names(native):
    rows, _ = native
    return {clip: f"films/{s.name.replace('.mp4 #', '_')}" for clip, s in rows.samples.items()}


@pytest.fixture(scope="module")
def folder(native, names, tmp_path_factory):
    return export(native[0], tmp_path_factory.mktemp("public"), names)


@pytest.fixture
def copy(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "public")
    return tmp_path / "public"


@pytest.fixture(scope="module")
def imported(native, folder, tmp_path_factory):
    workspace = tmp_path_factory.mktemp("imported")
    pipe = opened(workspace, f"data.preprocessed_data_root={folder}", native[1])
    return pipe, prepare(pipe)


def test_batches_contexts_and_losses_are_those_of_our_own_rows(native, imported, names):
    own, (pipe, rows) = native[0], imported
    assert pipe.stages("dataset") == ["imported", "text", "dataset"]
    assert {sample_id(name) for name in names.values()} == set(rows.samples)
    pairs = [(clip, sample_id(name)) for clip, name in names.items()]
    for clip, other in pairs:
        mine, theirs = own.samples[clip], rows.samples[other]
        facts = ("bucket", "fps", "duration", "has_audio")
        assert [getattr(mine, name) for name in facts] == [getattr(theirs, name) for name in facts]
        for column in ("latents", "audio_latents", "reference_latents", "video_masks"):
            a, b = own.fetch(clip, column), rows.fetch(other, column)
            assert (a is None and b is None) or (a.dtype == b.dtype and torch.equal(a, b))
        assert own.column_fps(clip, "reference_latents") == rows.column_fps(other, "reference_latents")
    with_sound = [pair for pair in pairs if own.samples[pair[0]].has_audio][:2]
    found = [losses(source, [pair[side] for pair in with_sound]) for side, source in enumerate((own, rows))]
    assert found[0].keys() == found[1].keys() == {"video", "audio"}
    for modality, loss in found[0].items():
        assert torch.equal(loss, found[1][modality]) and bool(loss.isfinite().all())


def losses(rows, clips):
    """Squared errors of a batch at level 0.5 with the same noise, by modality."""
    context = rows.context
    batch = rows.reader()(clips)
    tracks = assemble(context.config.training_strategy, batch, scales(context))
    level, noise = torch.full((len(clips),), 0.5), {}
    for modality, track in tracks.items():
        noise[modality] = torch.randn(track.clean.shape, generator=torch.Generator().manual_seed(3))
    given = {name: corrupt(track, noise[name], level) for name, track in tracks.items()}
    with torch.no_grad():
        found = open_velocity(context)(
            tracks,
            {name: tokens for name, (tokens, _) in given.items()},
            {name: steps for name, (_, steps) in given.items()},
            dict.fromkeys(tracks, level),
            open_contexts(context, rows)(clips),
        )
    return {name: (noise[name] - tracks[name].clean - found[name]).square() for name in tracks}


def test_the_split_is_by_film_and_captions_are_names(imported):
    _, rows = imported
    films = {}
    for sample in rows.samples.values():
        films.setdefault(sample.source, set()).add(sample.split)
        assert sample.caption == sample.name and sample.caption_source == "imported"
    assert films.keys() == {"films/wide", "films/silent_film"}
    assert {split for found in films.values() for split in found} >= {"train", "heldout"}
    silent = [sample for sample in rows.samples.values() if not sample.has_audio]
    assert {sample.source for sample in silent} == {"films/silent_film"}
    assert silent[0].no_audio_reason == f"there is no audio_latents/{silent[0].name}.pt"


def test_other_forms_of_the_same_content_give_the_same_tensors(native, imported, copy, tmp_path):
    """The older trainer's: tokens instead of grids, one embedding for both, `latent_0` with `condition_0`."""
    inner = copy / ".precomputed"
    sample = next(s for s in imported[1].samples.values() if s.has_audio)

    def change(column, name, form):
        path = inner / column / f"{sample.name}.pt"
        torch.save(form(torch.load(path, weights_only=True)), path.with_name(f"{name}.pt"))

    def tokens(data):
        return {**data, "latents": data["latents"].flatten(1).T.contiguous()}

    change("latents", "latent_0", tokens)
    change("reference_latents", "latent_0", lambda data: data["latents"][None])
    change("audio_latents", "latent_0", lambda data: data["latents"].transpose(0, 1).flatten(1))
    change("video_masks", "latent_0", lambda data: {"mask": data.bool()})
    change(
        "conditions",
        "condition_0",
        lambda data: {
            "prompt_embeds": data["video_prompt_embeds"].flip(0),
            "prompt_attention_mask": data["prompt_attention_mask"].flip(0).long(),
        },
    )
    pipe = opened(tmp_path / "workspace", f"data.preprocessed_data_root={inner}", native[1])
    rows = prepare(pipe)
    other = sample_id(str(Path(sample.name).with_name("latent_0")))
    for column in ("latents", "audio_latents", "reference_latents"):
        assert torch.equal(rows.fetch(other, column), rows.fetch(sample.clip_id, column))
    assert torch.equal(
        rows.fetch(other, "video_masks"), rows.fetch(sample.clip_id, "video_masks").bool().float()
    )
    assert torch.equal(rows.features(other)["video"], rows.features(sample.clip_id)["video"].flip(0))


class Evil:
    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def _set(**facts):
    return lambda data, _: {**data, **facts}


BAD = {
    "empty": ("latents", lambda data, path: b"", "empty file"),
    "cut": ("latents", lambda data, path: path.read_bytes()[:900], "damaged, or not written by torch.save"),
    "text": ("conditions", lambda data, path: b"hello" * 99, "damaged, or not written by torch.save"),
    "code": ("latents", None, "which is code or no tensor"),
    "nan": ("audio_latents", lambda data, _: {"latents": data["latents"] * float("nan")}, "not finite"),
    "channels": ("latents", lambda d, _: d["latents"][:16], "16 channels; this model takes 32"),
    "size": ("latents", _set(height=9), "latent frames, rows, columns and holds"),
    "speed": ("latents", _set(fps=0), "says fps 0"),
    "whole": ("latents", _set(latents=torch.ones(32, 3, 4, 4, dtype=torch.int64)), "of type torch.int64"),
    "sound": ("audio_latents", lambda d, _: d["latents"][:, :, :2], "this model takes [4, T, 4]"),
    "width": ("conditions", _set(video_prompt_embeds=torch.ones(64, 8)), "of width 8; this model takes 64"),
    "masked": ("conditions", _set(prompt_attention_mask=torch.zeros(64)), "0 valid tokens"),
    "maskless": (
        "conditions",
        lambda d, _: {"video_prompt_embeds": d["video_prompt_embeds"]},
        "attention_mask",
    ),
    "list": ("conditions", lambda d, _: [1, 2], "holds a list"),
    "range": ("video_masks", lambda d, _: d * 3, "it must lie in [0, 1]"),
    "grid": ("video_masks", lambda d, _: d[:2], "video_masks: a mask [2, 4, 4] for latents [3, 4, 4]"),
    "ratio": ("reference_latents", lambda d, _: d["latents"][:, :, :3], "the same whole multiple"),
    "partner": ("conditions", lambda d, path: path.unlink(), "there is no conditions/films/wide_partner.pt"),
}


def test_a_bad_file_is_set_aside_with_its_reason_and_stops_nothing(native, imported, copy, tmp_path):
    good = next(s for s in imported[1].samples.values() if s.has_audio)
    inner = copy / ".precomputed"
    Evil.path = tmp_path / "ran"
    for name, (bad_column, change, _) in BAD.items():
        for column in good.columns:
            path = inner / column / "films" / f"wide_{name}.pt"
            shutil.copy(inner / column / f"{good.name}.pt", path)
            if column == bad_column:
                data = torch.load(path, weights_only=True)
                found = {"latents": Evil()} if change is None else change(data, path)
                if isinstance(found, bytes):
                    path.write_bytes(found)
                elif found is not None:
                    torch.save(found, path)
    workspace = tmp_path / "workspace"
    settings = (f"data.preprocessed_data_root={copy}", native[1], "engine.chunk_rows=3")
    pipe = opened(workspace, *settings)
    with pytest.raises(LtxError, match=r"\d+ of \d+ clips were set aside .*max_rejected_fraction"):
        prepare(pipe)
    rows = prepare(opened(workspace, *settings, "dataset.max_rejected_fraction=0.9"))
    assert rows.samples.keys() == imported[1].samples.keys()
    reasons = dict(rejections(rows.context))
    for name, (_, _, reason) in BAD.items():
        assert reason in reasons.pop(f"films/wide_{name}"), name
    assert not reasons
    assert not (tmp_path / "ran").exists()


def test_a_span_that_leaves_nothing_sets_samples_aside(folder, tmp_path):
    span = "training_strategy={video: {conditions: [{type: prefix, temporal_boundary: 3}]}, audio: {}}"
    pipe = opened(tmp_path, f"data.preprocessed_data_root={folder}", span)
    with pytest.raises(
        LtxError, match=r"bucket 64x64x9: .* so nothing is left to generate; the largest .* is 2"
    ):
        prepare(pipe)
