"""Tiny random models of depth, keypoints, objects and masks, in the folders that transformers writes."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers as hf

DEPTH_SETTINGS = {
    "do_resize": True,
    "do_rescale": True,
    "do_normalize": True,
    "do_pad": False,
    "size": {"height": 70, "width": 70},
    "ensure_multiple_of": 14,
    "keep_aspect_ratio": True,
    "resample": 3,
    "rescale_factor": 1 / 255,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}


def save(model, folder: Path, settings: dict) -> Path:
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def depth_folder(folder: Path, kind: str = "relative") -> Path:
    """A Depth Anything of four layers."""
    torch.manual_seed(0)
    backbone = hf.Dinov2Config(
        image_size=70,
        patch_size=14,
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
    )
    config = hf.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=4,
        depth_estimation_type=kind,
    )
    return save(hf.DepthAnythingForDepthEstimation(config), folder, DEPTH_SETTINGS)


def pose_folder(folder: Path, points: int = 17) -> Path:
    """A ViTPose of one layer."""
    torch.manual_seed(0)
    backbone = hf.VitPoseBackboneConfig(
        image_size=[64, 48], patch_size=[16, 16], hidden_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    config = hf.VitPoseConfig(backbone_config=backbone, num_labels=points, use_simple_decoder=True)
    settings = {
        "do_affine_transform": True,
        "size": {"height": 64, "width": 48},
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }
    return save(hf.VitPoseForPoseEstimation(config), folder, settings)


def detector_folder(folder: Path) -> Path:
    """An RT-DETR of one layer that knows a person and a dog."""
    torch.manual_seed(0)
    backbone = hf.RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 8, 8, 8],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = hf.RTDetrConfig(
        backbone_config=backbone,
        encoder_hidden_dim=16,
        encoder_in_channels=[8, 8, 8],
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        decoder_in_channels=[16, 16, 16],
        d_model=16,
        num_queries=6,
        decoder_ffn_dim=16,
        decoder_layers=1,
        decoder_attention_heads=2,
        id2label={0: "person", 1: "dog"},
        label2id={"person": 0, "dog": 1},
    )
    settings = {"size": {"height": 64, "width": 64}, "resample": 2, "do_normalize": False}
    return save(hf.RTDetrForObjectDetection(config), folder, settings)


def sam2_vision(size: int) -> hf.Sam2VisionConfig:
    backbone = hf.Sam2HieraDetConfig(
        hidden_size=8,
        num_attention_heads=1,
        image_size=[size, size],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 2, 4, 8],
        window_size_per_stage=[4, 2, 4, 2],
        window_positional_embedding_background_size=[2, 2],
        global_attention_blocks=[3],
    )
    return hf.Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
        fpn_hidden_size=128,
    )


def sam2_folder(folder: Path) -> Path:
    """A SAM 2 of small layers, at 64 x 64 pixels."""
    torch.manual_seed(0)
    size = 64
    config = hf.Sam2VideoConfig(
        vision_config=sam2_vision(size),
        prompt_encoder_config={"hidden_size": 128, "image_size": size},
        mask_decoder_config={
            "hidden_size": 128,
            "mlp_dim": 32,
            "iou_head_hidden_dim": 32,
            "num_attention_heads": 2,
        },
        image_size=size,
        memory_attention_hidden_size=128,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=128,
        memory_attention_rope_feat_sizes=[4, 4],
        memory_encoder_hidden_size=128,
        memory_encoder_output_channels=64,
        mask_downsampler_embed_dim=128,
        memory_fuser_embed_dim=128,
        memory_fuser_intermediate_dim=128,
        memory_fuser_num_layers=1,
    )
    settings = {
        "size": {"height": size, "width": size},
        "resample": 2,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }
    model = hf.Sam2VideoModel(config)
    with torch.no_grad():  # it is sure that there is something; what, is left to chance
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(10)
    return save(model, folder, settings)
