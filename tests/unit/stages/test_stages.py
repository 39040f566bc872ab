"""The stages on real files, in this process: keys, contents and what a change computes anew."""

from __future__ import annotations

import csv
import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ltx_core.config.load import load
from ltx_core.curation.referencing.canny import canny
from ltx_core.errors import LtxError
from ltx_core.media.decode import read_frames
from ltx_core.run import Pipeline
from ltx_core.stages.clips import all_clips, rejected_cuts
from ltx_core.stages.dataset import load_samples
from ltx_core.stages.sources import repeated_files
from ltx_core.stages.text import with_trigger

ROOT = Path(__file__).parents[3]
THREADS = ("engine.threads=1", "acceleration.threads=1")
WEIRD = 'a "red" circle,\nmoves left 🎬 on a <b>teal</b> background ' + "x" * 10_000


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    """Two films of the demo, one of them silent."""
    folder = tmp_path_factory.mktemp("footage")
    for path in (ROOT / "data" / "footage").glob("*"):
        if path.stem.split(".")[0] in ("wide", "silent_film", "blink"):
            shutil.copy(path, folder)
    return folder


def pipeline(workspace, source, *overrides, config="t2v_lora.yaml"):
    settings = [f"workspace={workspace}", f"dataset.source={source}", *THREADS, *overrides]
    return Pipeline(load(ROOT / "configs" / config, settings, ROOT))


def prepare(pipe, until="dataset"):
    """Compute a stage and what it needs; the number of new rows per stage."""
    computed = {}
    for stage in pipe.stages(until):
        computed[stage] = sum(pipe.compute(stage, chunk)["rows"] for chunk in pipe.plan(stage).chunks)
    pipe.context.refresh()
    return computed


@pytest.fixture(scope="module")
def prepared(footage, tmp_path_factory):
    workspace = tmp_path_factory.mktemp("workspace")
    pipe = pipeline(workspace, footage)
    return workspace, pipe, prepare(pipe)


def test_every_clip_has_a_row_per_stage_and_the_second_time_none(prepared, footage):
    workspace, pipe, computed = prepared
    clips = all_clips(pipe.context)
    assert computed["captions"] == computed["latents"] == computed["audio_latents"] == len(clips)
    assert sum(prepare(pipeline(workspace, footage)).values()) == 0
    _, samples = load_samples(pipe.context)
    assert {sample.split for sample in samples} >= {"train", "heldout"}
    silent = [sample for sample in samples if not sample.has_audio]
    assert [sample.no_audio_reason for sample in silent] == ["no audio stream"] * 2
    assert all("striped style" in sample.caption for sample in samples)


def test_latents_are_those_of_the_clip_and_decode_back_to_it(prepared):
    _, pipe, _ = prepared
    clip = next(clip for clip in all_clips(pipe.context) if clip.has_audio)
    row = pipe.context.by_clip("latents")[clip.clip_id]
    latents = pipe.context.store.read(row)["latents"]
    assert latents.dtype == torch.bfloat16 and latents.shape == (32, 3, 4, 4)
    frames = pipe.context.models.frames(clip)
    back = pipe.context.models.video().decode(latents[None].float())[0]
    pixels = ((back + 1) * 127.5).permute(1, 2, 3, 0).numpy()
    assert 10 * np.log10(255**2 / np.square(pixels - frames).mean()) > 20
    audio = pipe.context.by_clip("audio_latents")[clip.clip_id]
    assert pipe.context.store.read(audio)["latents"].shape == (4, 11, 4)  # round(10 * 9/8)


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("dataset.audio.silent_below=-50", {"audio_latents"}),
        ("dataset.latents_dtype=float32", {"text", "latents", "audio_latents", "dataset"}),
        ("acceleration.mixed_precision_mode=bf16", {"text", "latents", "dataset"}),
        ("acceleration.mixed_precision_mode=null", set()),
        ("acceleration.text_encoder_quantization=nf4", {"text", "dataset"}),
        ("acceleration.quantization=int4", set()),
        ("dataset.holdout.seed=11", {"dataset"}),
        ("dataset.captions.prompt=other", set()),
        ("engine.chunk_rows=3", set()),
        ("optimization.steps=77", set()),
    ],
)
def test_a_change_of_the_config_computes_only_what_depends_on_it(prepared, footage, override, changed):
    workspace, _, _ = prepared
    computed = prepare(pipeline(workspace, footage, override))
    assert {stage for stage, rows in computed.items() if rows} == changed


def test_another_video_autoencoder_means_other_latents_and_nothing_else(prepared, footage, tmp_path):
    workspace, _, _ = prepared
    model = tmp_path / "model"
    shutil.copytree(ROOT / "data" / "model", model)
    unchanged = prepare(pipeline(workspace, footage, f"model.model_path={model}"))
    assert sum(unchanged.values()) == 0  # the path of a model is no part of its fingerprint
    weights = model / "vae" / "diffusion_pytorch_model.safetensors"
    # A changed decoder gives the same latents, so nothing behind them changes; a changed encoder does.
    for part, changed in (("decoder.", {"latents"}), ("encoder.", {"latents", "dataset"})):
        tensors = load_file(weights)
        name = next(name for name in sorted(tensors) if name.startswith(part) and name.endswith("bias"))
        tensors[name] = tensors[name] + 0.5
        save_file(tensors, weights)
        computed = prepare(pipeline(workspace, footage, f"model.model_path={model}"))
        assert {stage for stage, rows in computed.items() if rows} == changed


def test_references_are_the_edges_and_masks_are_drawn_from_the_seed(prepared, footage, tmp_path):
    workspace, _, _ = prepared
    pipe = pipeline(workspace, footage, config="v2v_ic_lora.yaml")
    prepare(pipe, "reference_latents")
    clip = all_clips(pipe.context)[0]
    row = pipe.context.by_clip("references")[clip.clip_id]
    stored = read_frames(pipe.context.store.file(row, "reference.mp4"), list(range(9)))
    edges = canny(pipe.context.models.frames(clip), 60, 120)
    assert np.abs(stored.astype(int) - edges.astype(int)).mean() < 2
    prepare(pipe, "mask_latents")
    masks = pipe.context.by_clip("mask_latents")
    values = pipe.context.store.read(masks[clip.clip_id])["mask"]
    assert values.shape == (3, 4, 4) and 0 <= values.min() < values.max() <= 1
    other = pipeline(tmp_path, footage, config="v2v_ic_lora.yaml")
    prepare(other, "mask_latents")
    again = other.context.by_clip("mask_latents")[clip.clip_id]
    assert again.content_digest == masks[clip.clip_id].content_digest


def test_a_film_that_is_written_over_during_a_run_is_refused(footage, tmp_path):
    films = tmp_path / "films"
    shutil.copytree(footage, films)
    pipe = pipeline(tmp_path / "workspace", films)
    prepare(pipe, "scores")
    plan = pipe.plan("latents")
    shutil.copy(films / "silent_film.mp4", films / "wide.mp4")
    with pytest.raises(LtxError, match=r"wide.mp4 was changed while the run was reading it"):
        pipe.compute("latents", plan.chunks[0])
    assert all(row.ok for row in pipe.context.store.rows("latents"))


def test_silence_is_masked_dropped_or_encoded(prepared, footage):
    workspace, _, _ = prepared
    found = {}
    for policy in ("mask", "drop", "zeros"):
        pipe = pipeline(workspace, footage, f"dataset.audio.missing={policy}")
        prepare(pipe)
        _, samples = load_samples(pipe.context)
        found[policy] = (len(samples), sum(sample.has_audio for sample in samples))
    total = found["mask"][0]
    assert found == {"mask": (total, total - 2), "drop": (total - 2, total - 2), "zeros": (total, total)}


@pytest.mark.parametrize(
    ("caption", "trigger", "full"),
    [
        ("A red circle. ", "ink", "A red circle, ink"),
        ("A pink circle", "ink", "A pink circle, ink"),  # part of a word does not say it
        ("INK: a red circle", "ink", "INK: a red circle"),
        ("a (c++) style", "(c++)", "a (c++) style"),
        ("a red circle.", "", "a red circle."),
    ],
)
def test_the_trigger_is_added_once(caption, trigger, full):
    assert with_trigger(caption, trigger) == full


def test_a_dataset_file_gives_captions_and_splits_to_the_letter(footage, tmp_path):
    table = tmp_path / "clips.csv"
    with table.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["video", "caption", "split"])
        writer.writerow([footage / "wide.mp4", WEIRD, "train"])
        writer.writerow([footage / "silent_film.mp4", "plain", "val"])
    pipe = pipeline(tmp_path / "workspace", table, "dataset.scenes.detector=none")
    prepare(pipe)
    _, samples = load_samples(pipe.context)
    assert {sample.split for sample in samples if sample.name.startswith("silent")} == {"heldout"}
    rows = [row for row in pipe.context.by_clip("captions").values() if row.columns["caption"] != "plain"]
    assert rows and all(row.columns["caption"] == WEIRD for row in rows)
    assert all(row.columns["caption_source"] == "column" for row in rows)


def test_a_dataset_file_without_its_column_is_refused(tmp_path):
    table = tmp_path / "clips.csv"
    table.write_text("film,caption\na.mp4,x\n")
    with pytest.raises(LtxError, match=r"video"):
        pipeline(tmp_path / "workspace", table).plan("sources")


def test_too_many_rejected_clips_stop_the_run_with_their_reasons(footage, tmp_path):
    for number in range(30):
        (tmp_path / f"broken{number}.mp4").write_bytes(b"no video %d" % number)
    shutil.copy(footage / "silent_film.mp4", tmp_path)
    pipe = pipeline(tmp_path / "workspace", tmp_path, "dataset.max_rejected_fraction=0.3")
    with pytest.raises(
        LtxError, match=r"30 of 32 clips were set aside.*max_rejected_fraction[\s\S]*broken0.mp4"
    ):
        prepare(pipe)
    assert len([row for row in pipe.context.store.rows("sources") if not row.ok]) == 30


def test_a_film_that_is_away_for_a_while_leaves_no_rejected_rows(footage, tmp_path):
    source = tmp_path / "films"
    shutil.copytree(footage, source)
    pipe = pipeline(tmp_path / "workspace", source)
    prepare(pipe, "scores")
    (source / "wide.mp4").rename(tmp_path / "away.mp4")
    with pytest.raises(LtxError, match=r"wide\.mp4: missing: no such file.*run the same command"):
        prepare(pipe, "latents")
    kept = pipe.context.store.rows("latents")
    assert kept  # the rows before it in its chunk
    (tmp_path / "away.mp4").rename(source / "wide.mp4")
    assert prepare(pipe, "latents")["latents"] == pipe.plan("latents").total - len(kept)
    assert all(row.ok for row in pipe.context.store.rows("latents"))


def test_inputs_that_change_while_a_run_goes_on_are_named(footage, tmp_path):
    source = tmp_path / "films"
    shutil.copytree(footage, source)
    planned = pipeline(tmp_path / "workspace", source).plan("sources").chunks
    (source / "blink.mp4").write_bytes(b"still being copied")
    with pytest.raises(LtxError, match=r"sources: 1 of \d+ inputs have changed since the run began"):
        pipeline(tmp_path / "workspace", source).compute("sources", planned[0])


def test_short_scenes_are_no_bad_input(footage, tmp_path):
    shutil.copy(footage / "wide.mp4", tmp_path)
    workspace, strict = tmp_path / "workspace", "dataset.max_rejected_fraction=0.01"
    with pytest.raises(LtxError, match=r"no clip is left[\s\S]*shorter than every bucket"):
        prepare(pipeline(workspace, tmp_path, strict, "dataset.buckets=[64x64x17]"))
    pipe = pipeline(workspace, tmp_path, strict, "dataset.buckets=[64x64x13]")
    prepare(pipe)
    assert len(load_samples(pipe.context)[1]) == 5 and len(rejected_cuts(pipe.context)) == 2


def test_a_repeated_line_is_named_and_the_first_one_counts(footage, tmp_path):
    table = tmp_path / "clips.jsonl"
    lines = [("wide", "first"), ("silent_film", "other"), ("wide", "second")]
    rows = [{"video": str(footage / f"{name}.mp4"), "caption": text} for name, text in lines]
    table.write_text("\n".join(json.dumps(row) for row in rows))
    pipe = pipeline(tmp_path / "workspace", table)
    prepare(pipe, "captions")
    captions = {row.columns["caption"] for row in pipe.context.by_clip("captions").values()}
    assert captions == {"first", "other"}
    assert repeated_files(pipe.context) == [("wide.mp4", "same content as wide.mp4, which is used")]


class Captioner(BaseHTTPRequestHandler):
    requests: ClassVar[list[dict]] = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.requests.append(body)
        answer = {"choices": [{"message": {"content": f"caption number {len(self.requests)}"}}]}
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Quiet."""


def test_a_server_captions_what_the_user_has_not_and_is_asked_once(footage, tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Captioner)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = ["dataset.captions.captioner=endpoint", "dataset.captions.model=tiny", "dataset.trigger=''"]
    url = f"dataset.captions.base_url=http://127.0.0.1:{server.server_port}/v1"
    try:
        pipe = pipeline(tmp_path, footage, url, *options)
        prepare(pipe, "captions")
    finally:
        server.shutdown()
    rows = pipe.context.by_clip("captions").values()
    asked = [row for row in rows if row.columns["caption_source"] == "endpoint"]
    assert len(asked) == len(Captioner.requests) > 0
    assert {row.columns["caption_source"] for row in rows} == {"sidecar", "endpoint"}
    # Another address of the same model asks nobody again.
    elsewhere = pipeline(tmp_path, footage, "dataset.captions.base_url=http://127.0.0.1:1/v1", *options)
    assert prepare(elsewhere, "captions")["captions"] == 0
