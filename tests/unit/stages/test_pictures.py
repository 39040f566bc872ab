"""Reference videos and masks: made or given, scaled, several per clip; keys, contents and reasons."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from picture_files import film, pipeline, prepare, write_negative, write_table
from public_layout import export

from ltx_core.assemble import assemble
from ltx_core.config.preflight import refuse
from ltx_core.curation.referencing.blur import blur
from ltx_core.curation.referencing.canny import canny
from ltx_core.curation.referencing.grayscale import gray
from ltx_core.errors import ConfigError, LegacyConfigWarning, LtxError
from ltx_core.media.decode import read_frames
from ltx_core.media.fit import fit
from ltx_core.media.write import write_video
from ltx_core.models.safetensors_file import file_metadata
from ltx_core.stages.batches import Rows, scales
from ltx_core.stages.clips import all_clips
from ltx_core.stages.dataset import gather, load_samples
from ltx_core.stages.factors import Factors, reference_factors

REFERENCE, MASK = "{type: reference}", "{type: mask, mask_dir: video_masks}"
QUICK = (
    "optimization.steps=3",
    "optimization.warmup_steps=0",
    "optimization.batch_size=2",
    "validation.heldout_levels=2",
    "validation.interval=null",
)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Two films, one with a reference and a mask for all of it, and one without."""
    folder = tmp_path_factory.mktemp("films")
    write_negative(folder / "negative.mp4", "wide.mp4")
    frames, rate = film("wide.mp4")
    drawn = np.zeros_like(frames[:, :64, :86])
    drawn[:, :, 43:] = 255
    drawn[len(drawn) // 2 :, :32, :43] = 102
    write_video(folder / "mask.mp4", drawn, rate)
    row = {"video": "wide.mp4", "reference_video": "negative.mp4", "video_mask": "mask.mp4"}
    silent = {"video": "silent_film.mp4", "caption": "b", "split": "heldout"}
    return write_table(folder, [{**row, "caption": "a film", "split": "train"}, silent])


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return tmp_path_factory.mktemp("workspace")


def shown(context, clip, count, column=""):
    """The frames of a clip's reference video."""
    row = context.by_clip("references", column)[clip.clip_id]
    return read_frames(context.store.file(row, "reference.mp4"), list(range(count)))


def distance(one, other):
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def test_a_given_reference_is_cut_and_fitted_like_its_clip(films, workspace):
    pipe = pipeline(workspace, films, REFERENCE)
    assert prepare(pipe)["references"] == len(all_clips(pipe.context))
    clips = [clip for clip in all_clips(pipe.context) if clip.path.name == "wide.mp4"]
    assert len(clips) > 3
    for clip, other in zip(clips, clips[1:] + clips[:1], strict=True):
        found = shown(pipe.context, clip, 9)
        assert distance(found, 255 - pipe.context.models.frames(clip)) < 5
        assert distance(found, 255 - pipe.context.models.frames(other)) > 10
    assert {sample.name.split()[0] for sample, _ in gather(pipe.context)[0]} == {"wide.mp4"}
    reasons = {reason for _, reason in gather(pipe.context)[1]}
    assert reasons == {"reference_latents: no reference_video: the dataset file gives none for this source"}
    # What makes no difference to a given file is in no key; what does is.
    assert prepare(pipeline(workspace, films, REFERENCE, "dataset.references.low=1")) == {}
    changed = prepare(pipeline(workspace, films, REFERENCE, "dataset.references.kind=gray"))
    total = len(all_clips(pipe.context))
    assert changed == {"references": total, "reference_latents": total, "dataset": 1}
    again = prepare(pipeline(workspace, films, REFERENCE, "dataset.references={kind: gray, low: 9, blur: 2}"))
    assert again == {}


def test_files_that_end_before_the_clip_or_are_gone_set_it_aside(tmp_path):
    write_negative(tmp_path / "half.mp4", "wide.mp4", 6)
    frames, rate = film("silent_film.mp4", 1.3)
    write_video(tmp_path / "one.mp4", frames, rate)  # one clip; its reference is just that
    write_video(tmp_path / "short.mp4", 255 - frames[: round(1.15 * rate)], rate, crf=4)
    rows = [("wide.mp4", "half.mp4"), ("one.mp4", "short.mp4"), ("silent_film.mp4", "gone.mp4")]
    table = write_table(
        tmp_path, [{"media_path": a, "ref_media_path": b, "caption": "x"} for a, b in rows], "older.csv"
    )
    pipe = pipeline(tmp_path / "workspace", table, REFERENCE, "dataset.max_rejected_fraction=1.0")
    with pytest.warns(LegacyConfigWarning, match="ref_media_path -> reference_video"):
        prepare(pipe, "reference_latents")
    rows = {clip.name: pipe.context.by_clip("references")[clip.clip_id] for clip in all_clips(pipe.context)}
    early = [clip.name for clip in all_clips(pipe.context) if clip.name[0] == "w" and clip.end_s <= 6]
    assert early and [name for name, row in rows.items() if name[0] == "w" and row.ok] == early
    late = next(row.reason for name, row in rows.items() if name[0] == "w" and not row.ok)
    assert late.startswith("reference_video: ends at 6.00 s; its target needs 9 frames at 8 per second from")
    assert rows["one.mp4 #1"].ok
    assert {row.reason for name, row in rows.items() if name[0] == "s"} == {
        "reference_video: unreadable: No such file or directory"
    }


def test_scaled_and_further_references_train_and_say_so(films, workspace):
    mode = "{type: reference}, {type: reference, latents_dir: slow_latents}"
    options = (
        "dataset.references={kind: canny, reference_downscale_factor: 2}",
        "dataset.extra_references={slow_latents: {kind: blur, blur: 2, reference_temporal_scale_factor: 2}}",
        *QUICK,
    )
    pipe = pipeline(workspace, films, mode, *options)
    assert prepare(pipe, "train")["references"] == 2 * len(all_clips(pipe.context))
    context, clip = pipe.context, all_clips(pipe.context)[0]
    frames = context.models.frames(clip)
    one, other = (shown(context, clip, 5, column) for column in ("reference_latents", "slow_latents"))
    assert one.shape == (5, 32, 32, 3) and distance(one, fit(canny(frames[:5]), 32, 32)) < 3
    assert other.shape == (5, 64, 64, 3) and distance(other, blur(frames[::2], 2)) < 3
    rows = Rows(context, load_samples(context)[1])
    batch = rows.reader()([clip.clip_id])
    shapes = {name: tuple(value.shape[2:]) for name, value in batch.columns.items()}
    assert shapes == {"reference_latents": (3, 2, 2), "slow_latents": (2, 4, 4)}
    assert {name: float(rate) for name, rate in batch.column_fps.items()} == {
        "reference_latents": 8,
        "slow_latents": 4,
    }
    track = assemble(context.config.training_strategy, batch, scales(context))["video"]
    attached, target = track.positions[0, :, :-48], track.positions[0, :, -48:]
    assert attached.shape[1] == 12 + 32
    for reference in (attached[:, :32], attached[:, 32:]):  # both end where the target does, in every axis
        assert torch.equal(reference.amax((1, 2)), target.amax((1, 2)))
        assert torch.equal(reference.amin((1, 2)), target.amin((1, 2)))
    assert reference_factors(context) == {"reference_latents": Factors(2, 1), "slow_latents": Factors(1, 2)}
    metadata = file_metadata(Path(pipe.manifest("train")["run"]) / "lora.safetensors")
    found = {name: json.loads(value) for name, value in metadata.items() if name.startswith("reference_")}
    assert found == {
        "reference_downscale_factor": {"reference_latents": 2, "slow_latents": 1},
        "reference_temporal_scale_factor": {"reference_latents": 1, "slow_latents": 2},
    }
    assert prepare(pipeline(workspace, films, mode, *options)) == {}


def test_clips_that_disagree_on_their_factors_are_refused_before_training(films, workspace, tmp_path):
    pipe = pipeline(workspace, films, REFERENCE, "dataset.references.kind=canny")
    prepare(pipe)
    rows = Rows(pipe.context, load_samples(pipe.context)[1])
    folder = export(rows, tmp_path / "public", {name: name[:8] for name in rows.samples})
    path = sorted((folder / ".precomputed" / "reference_latents").glob("*"))[0]
    data = torch.load(path, weights_only=True)
    data["latents"], data["height"], data["width"] = data["latents"][:, :, ::2, ::2].clone(), 2, 2
    torch.save(data, path)
    root = f"data.preprocessed_data_root={folder}"
    other = pipeline(tmp_path / "workspace", films, REFERENCE, root, *QUICK)
    with pytest.raises(
        LtxError, match=r"disagree on the reference_downscale_factor .* of 2x2x3\).*factors"
    ) as e:
        prepare(other, "train")
    assert "a target of 4x4x3, a reference of 4x4x3" in str(e.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "{reference_downscale_factor: 3}",
            r"references\.reference_downscale_factor 3: the bucket 64x64x9 .* 2, 4",
        ),
        ("{reference_temporal_scale_factor: 4}", r"temporal_scale_factor 4: .* 16, .*4k\+1 .* use 1, 2, or"),
        (
            "{kind: normals}",
            r"kind 'normals' cannot be made here; use one of canny, depth, .*, file, function\. .* given",
        ),
        ("{column: depth}", r"column is 'depth'; .* begin with reference_video"),
    ],
)
def test_references_that_cannot_be_made_are_refused(films, workspace, options, message):
    with pytest.raises(ConfigError, match=message):
        refuse(pipeline(workspace, films, REFERENCE, f"dataset.references={options}").config)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("{edges: {low: 3}}", r"edges: state its kind, one of canny"),
        ("{video_masks: {kind: gray}}", r"the column video_masks is made already"),
        ("{a/b: {kind: gray}}", r"the column 'a/b': use letters"),
        ("{edges: {kind: normals}}", r"kind 'normals' cannot be made here"),
    ],
)
def test_further_references_name_a_column_of_their_own(films, workspace, options, message):
    with pytest.raises(ConfigError, match=message):
        pipeline(workspace, films, REFERENCE, f"dataset.extra_references={options}")


def test_a_given_mask_is_cut_like_its_clip_and_keeps_its_soft_values(films, workspace):
    pipe = pipeline(workspace, films, MASK)
    prepare(pipe)
    rows = Rows(pipe.context, load_samples(pipe.context)[1])
    clips = [clip for clip in all_clips(pipe.context) if clip.clip_id in rows.samples]
    assert {clip.path.name for clip in clips} == {"wide.mp4"}
    for clip in clips:
        mask = rows.fetch(clip.clip_id, "video_masks")
        assert mask.shape == (3, 4, 4) and (mask[:, 2:, 0] == 0).all() and (mask[:, :, 3] == 1).all()
        late = clip.start_s > 6.1
        if late or clip.end_s < 6:
            torch.testing.assert_close(mask[:, 0, 0], torch.full((3,), 0.4 * late), atol=0.02, rtol=0)
    sharp = pipeline(workspace, films, MASK, "dataset.mask_threshold=0.5")
    assert prepare(sharp) == {"mask_latents": len(clips), "dataset": 1}
    row = sharp.context.by_clip("mask_latents")[clips[0].clip_id]
    assert set(sharp.context.store.read(row)["mask"].unique().tolist()) == {0, 1}
    drawn = pipeline(workspace, films, MASK, "dataset.masks.kind=strokes")
    prepare(drawn)
    masks = [drawn.context.store.read(row)["mask"] for row in drawn.context.by_clip("mask_latents").values()]
    assert len(masks) == len(all_clips(pipe.context)) and all((mask == 0).any() for mask in masks)


def test_a_mask_that_leaves_nothing_to_generate_sets_its_clip_aside(tmp_path):
    cv2.imwrite(str(tmp_path / "white.png"), np.full((8, 8), 255, np.uint8))
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((8, 8), 51, np.uint8))
    table = write_table(
        tmp_path,
        [
            {"video": "wide.mp4", "video_mask": "white.png", "caption": "x"},
            {"video": "silent_film.mp4", "video_mask": "grey.png", "caption": "y"},
        ],
    )
    pipe = pipeline(tmp_path / "workspace", table, MASK)
    prepare(pipe, "mask_latents")
    reasons = {item.name[0]: row.reason for item, row in pipe.context.results("mask_latents")}
    assert reasons["w"] == "video_mask keeps the whole clip: nothing is left to generate"
    assert reasons["s"].startswith("video_mask keeps a part of every cell (0.20 or more)")


def test_gray_and_blur_are_what_they_say():
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    grey = gray(frames)
    assert grey.shape == frames.shape and (grey[..., 0] == grey[..., 2]).all()
    weights = frames @ np.array([0.299, 0.587, 0.114])
    assert np.abs(grey[..., 0] - weights).max() < 1
    soft = blur(frames, 4)
    assert soft.std() < 0.2 * frames.std() and abs(soft.mean() - frames.mean()) < 1
