"""Models of depth, keypoints, objects and masks: loaded from folders, prepared for as the library does it."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from picture_models import DEPTH_SETTINGS, depth_folder, detector_folder, pose_folder, sam2_folder
from safetensors.torch import load_file, save_file
from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil
from transformers.models.rt_detr.image_processing_pil_rt_detr import RTDetrImageProcessorPil
from transformers.models.vitpose import image_processing_pil_vitpose as vitpose

from ltx_core.curation import detecting
from ltx_core.curation.detecting import Detector
from ltx_core.curation.kinds import Work
from ltx_core.curation.masking import sam2
from ltx_core.curation.masking.target import Target
from ltx_core.curation.options.masks import MaskOptions
from ltx_core.curation.options.references import ReferenceOptions
from ltx_core.curation.pretrained import prepare, read_settings
from ltx_core.curation.referencing import depth, pose
from ltx_core.curation.referencing.keypoints import crop, decode, region
from ltx_core.errors import LtxError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    makers = {"depth": depth_folder, "pose": pose_folder, "detector": detector_folder, "sam2": sam2_folder}
    return {name: make(root / name) for name, make in makers.items()}


@pytest.fixture(scope="module")
def frames():
    smooth = np.random.default_rng(0).integers(0, 255, (5, 8, 12, 3)).astype(np.uint8)
    return smooth.repeat(8, axis=1).repeat(8, axis=2)


@pytest.mark.parametrize("size", [(64, 96), (448, 768), (90, 50)])
def test_pictures_are_prepared_as_the_library_prepares_them(size):
    picture = np.random.default_rng(1).integers(0, 255, (1, *size, 3)).astype(np.uint8)
    settings = {name: value for name, value in DEPTH_SETTINGS.items() if name != "do_pad"}
    theirs = DPTImageProcessorPil(**settings)(picture[0], return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(prepare(picture, DEPTH_SETTINGS), theirs, atol=1e-5, rtol=0)
    theirs = RTDetrImageProcessorPil()(picture[0], return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(prepare(picture, detecting.SETTINGS), theirs, atol=1e-5, rtol=0)


def test_crops_of_people_are_the_librarys():
    frame = np.random.default_rng(2).integers(0, 255, (120, 200, 3)).astype(np.uint8)
    for left, top, right, bottom in ((20, 10, 60, 100), (100, 30, 190, 60)):
        place = region((left, top, right, bottom), (64, 48))
        centre, scale = vitpose.box_to_center_and_scale((left, top, right - left, bottom - top), 48, 64)
        matrix = vitpose.get_warp_matrix(0, centre * 2.0, np.array((48, 64)) - 1.0, scale * 200.0)
        corners = np.array([[place[0], place[1], 1], [place[2], place[3], 1]])
        np.testing.assert_allclose(corners @ matrix.T, [[0, 0], [47, 63]], atol=1e-3)
        heat = np.zeros((1, 16, 12), np.float32)
        heat[0, 3, 5] = 1
        theirs = vitpose.transform_preds(np.array([[5.0, 3.0]]), centre, scale, np.array([16, 12]))
        np.testing.assert_allclose(decode(heat, place)[0, :2], theirs[0], atol=1e-3)
        found = crop(frame, place, (64, 48))
        assert found.shape == (64, 48, 3)
        x, y = (place[0] + place[2]) / 2, (place[1] + place[3]) / 2
        near = frame[int(y) - 1 : int(y) + 3, int(x) - 1 : int(x) + 3].astype(float)
        assert near.min((0, 1))[0] - 1 <= found[32, 24, 0] <= near.max((0, 1))[0] + 1


def test_peaks_are_found_between_the_pixels_of_a_heatmap():
    rows, columns = np.mgrid[0:16, 0:12]
    for x, y in ((4.0, 7.0), (5.3, 9.4), (3.5, 2.75), (0.0, 15.0)):
        heat = 0.9 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 1.5**2)).astype(np.float32)
        found = decode(heat[None], (10, 20, 10 + 110, 20 + 150))[0]  # ten pixels for each of the heatmap
        assert found[:2] == pytest.approx((10 + 10 * x, 20 + 10 * y), abs=1.0)
        assert found[2] == pytest.approx(heat.max())


def test_depth_comes_from_a_folder_frame_by_frame_at_the_models_size(folders, frames, monkeypatch):
    monkeypatch.setattr(depth, "BATCH", 2)
    model = depth.load({"model": folders["depth"]}, CPU)
    estimated = depth.estimate(frames, model)
    assert estimated.shape == (5, 70, 112) and np.isfinite(estimated).all()
    alone = np.concatenate([depth.estimate(frames[n : n + 1], model) for n in range(5)])
    np.testing.assert_allclose(estimated, alone, atol=1e-5)
    shown = depth.DEPTH.make(frames, ReferenceOptions("depth"), Work("clip", model))
    assert shown.shape == frames.shape and np.ptp(shown, axis=3).max() == 0
    assert np.ptp(shown) == 255


def test_metres_are_turned_round(folders, frames, tmp_path):
    folder = shutil.copytree(folders["depth"], tmp_path / "metric")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "depth_estimation_type": "metric"}))
    model = depth.load({"model": folder}, CPU)
    with torch.inference_mode():
        metres = model.network(pixel_values=prepare(frames[:1], model.settings)).predicted_depth.numpy()
    np.testing.assert_allclose(
        depth.estimate(frames[:1], model), 1 / np.maximum(metres, depth.NEAREST_M), rtol=1e-5
    )


def test_depth_may_come_from_a_function(frames, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "near.py").write_text(
        "def red(frames): return frames[:, ::2, ::2, 0].astype('float32')\ndef flat(frames): return frames\n"
    )
    options = ReferenceOptions("depth", function="near:red", smoothing=0, outliers=0)
    found = depth.DEPTH.make(frames, options, Work("clip"))[..., 0].astype(float)
    assert np.corrcoef(found.ravel(), frames[..., 0].ravel())[0, 1] > 0.95
    with pytest.raises(LtxError, match=r"near:flat returned an array \[5, 64, 96, 3\] of uint8; depth of 5"):
        depth.depth_of_function("near:flat", frames)


def test_objects_are_those_that_the_library_finds(folders, frames):
    detector = Detector.open(folders["detector"], CPU)
    ours = list(detector.find(frames, "", 0.0, 6))
    with torch.inference_mode():
        out = detector.network(pixel_values=prepare(frames, detector.settings))
    theirs = RTDetrImageProcessorPil().post_process_object_detection(out, 0.0, [(64, 96)] * 5)
    for own, other in zip(ours, theirs, strict=True):
        assert own[0].score == pytest.approx(other["scores"].max().item(), abs=1e-5)
        best = other["boxes"][other["scores"].argmax()].clamp(min=0).numpy()
        np.testing.assert_allclose(own[0].box, np.minimum(best, (96, 64, 96, 64)), atol=1e-2)
    assert all(len(found) <= 2 for found in detector.find(frames, "dog", 0.0, 2))
    assert not any(detector.find(frames, "dog", 1.0, 2))
    with pytest.raises(LtxError, match="knows no 'cat', but person, dog"):
        list(detector.find(frames, "cat", 0.5, 2))


def test_poses_are_drawn_in_detected_boxes_or_in_the_whole_picture(folders, frames):
    both = pose.load({"model": folders["pose"], "detector": folders["detector"]}, CPU)
    options = ReferenceOptions("pose", sure=0.0, people=2, seen=0.0)
    found = pose.POSE.make(frames, options, Work("clip", both))
    assert found.shape == frames.shape and found.any((1, 2, 3)).all() and (found == 0).mean() > 0.5
    nobody = ReferenceOptions("pose", sure=1.0, seen=0.0)
    assert not pose.POSE.make(frames, nobody, Work("clip", both)).any()
    alone = pose.load({"model": folders["pose"]}, CPU)
    whole = pose.POSE.make(frames, ReferenceOptions("pose", boxes="whole", seen=0.0), Work("clip", alone))
    assert whole.any((1, 2, 3)).all()


@pytest.mark.parametrize("prompt", ["box", "detect"])
def test_an_object_is_followed_from_its_prompt(folders, frames, prompt):
    detector = folders["detector"] if prompt == "detect" else None
    given = {"model": folders["sam2"], **({"detector": detector} if detector else {})}
    options = MaskOptions("sam2", prompt=prompt, box=(0.1, 0.1, 0.4, 0.5), sure=0.0)
    target = Target(*frames.shape[:3], pixels=lambda: frames)
    mask = sam2.SAM2.make(target, options, Work("clip", sam2.load(given, CPU)))
    assert mask.shape == frames.shape[:3] and mask.dtype == np.float32 and set(np.unique(mask)) == {0, 1}
    assert (mask == 0).any((1, 2)).all()


def test_prompts_point_where_they_say(folders, frames):
    model = sam2.load({"model": folders["sam2"]}, CPU)
    middle = sam2.find_prompt(frames, MaskOptions("sam2"), None)
    assert middle == sam2.Prompt(0, ((48.0, 32.0, 1),))
    point = sam2.find_prompt(frames, MaskOptions("sam2", prompt="point", point=(0.25, 0.75)), None)
    assert point.points == ((24.0, 48.0, 1),)
    late = sam2.Prompt(3, point.points)
    followed = sam2.follow(frames, late, model)
    assert followed.shape == (5, 64, 96)  # forward and backward: every frame
    assert not np.array_equal(followed[3], sam2.follow(frames, sam2.Prompt(3, middle.points), model)[3])
    lazy = sam2.Prepared(frames, model.settings)
    assert torch.equal(torch.stack([lazy[n] for n in range(5)]), prepare(frames, model.settings))


def test_the_moving_thing_is_pointed_at_by_its_box():
    noise = np.random.default_rng(0).integers(0, 160, (96, 128, 3)).astype(np.uint8)
    frames = np.tile(cv2.GaussianBlur(noise, (0, 0), 1.5), (9, 1, 1, 1))
    for number in range(9):
        frames[number, 40:64, 10 + 10 * number : 34 + 10 * number] = 220
    prompt = sam2.find_prompt(frames, MaskOptions("sam2", prompt="moving"), None)
    (left, top, first), (right, bottom, last) = prompt.points
    start = 10 + 10 * prompt.frame
    assert (left, top, right, bottom) == pytest.approx((start, 40, start + 24, 64), abs=4)
    assert (first, last) == (sam2.TOP_LEFT, sam2.BOTTOM_RIGHT)


def test_folders_that_will_not_do_are_refused(folders, tmp_path):
    with pytest.raises(LtxError, match=r"holds a vitpose; give the folder of one of depth_anything"):
        depth.load({"model": folders["pose"]}, CPU)
    holey = shutil.copytree(folders["depth"], tmp_path / "holey")
    weights = load_file(holey / "model.safetensors")
    gone = sorted(name for name in weights if name.startswith("head."))[0]
    save_file({k: v for k, v in weights.items() if k != gone}, holey / "model.safetensors", {"format": "pt"})
    with pytest.raises(LtxError, match=rf"lacks 1 weights of .*, as {gone}; get it anew"):
        depth.load({"model": holey}, CPU)
    (holey / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(LtxError, match="cannot be loaded as DepthAnythingForDepthEstimation"):
        depth.load({"model": holey}, CPU)
    with pytest.raises(LtxError, match="finds 5 keypoints; skeletons are drawn of COCO's 17"):
        pose.load({"model": pose_folder(tmp_path / "five", 5)}, CPU)
    (folder := shutil.copytree(folders["pose"], tmp_path / "bare") / "preprocessor_config.json").unlink()
    with pytest.raises(LtxError, match=r"has no preprocessor_config\.json; get the whole folder"):
        read_settings(folder.parent, {})
