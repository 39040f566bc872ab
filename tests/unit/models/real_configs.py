"""Configs in the headers of published LTX-2 files, and the sizes that are known of them, in billions."""

from __future__ import annotations

from typing import Any


def _blocks(*pairs: tuple[str, Any]) -> list[list[Any]]:
    return [[kind, value] for kind, value in pairs]


def _layers(count: int) -> tuple[str, dict[str, Any]]:
    return "res_x", {"num_layers": count}


def _sampler(kind: str, factor: int, **more: bool) -> tuple[str, dict[str, Any]]:
    return f"compress_{kind}", {"multiplier": factor, **more}


TRANSFORMER = {
    "_class_name": "AVTransformer3DModel",
    "activation_fn": "gelu-approximate",
    "attention_bias": True,
    "attention_head_dim": 128,
    "audio_attention_head_dim": 64,
    "audio_cross_attention_dim": 2048,
    "audio_num_attention_heads": 32,
    "audio_out_channels": 128,
    "audio_positional_embedding_max_pos": [20],
    "av_ca_timestep_scale_multiplier": 1000.0,
    "av_cross_ada_norm": True,
    "caption_channels": 3840,
    "causal_temporal_positioning": True,
    "connector_attention_head_dim": 128,
    "connector_norm_output": True,
    "connector_num_attention_heads": 30,
    "connector_num_layers": 2,
    "connector_num_learnable_registers": 128,
    "connector_positional_embedding_max_pos": [4096],
    "cross_attention_dim": 4096,
    "frequencies_precision": "float64",
    "in_channels": 128,
    "norm_elementwise_affine": False,
    "norm_eps": 1e-06,
    "num_attention_heads": 32,
    "num_layers": 48,
    "out_channels": 128,
    "positional_embedding_max_pos": [20, 2048, 2048],
    "positional_embedding_theta": 10000.0,
    "positional_embedding_type": "rope",
    "qk_norm": "rms_norm",
    "rope_type": "split",
    "share_ff": False,
    "standardization_norm": "rms_norm",
    "timestep_scale_multiplier": 1000,
    "use_audio_video_cross_attention": True,
    "use_embeddings_connector": True,
    "use_middle_indices_grid": True,
}
LATER = TRANSFORMER | {
    "apply_gated_attention": True,
    "audio_connector_attention_head_dim": 64,
    "audio_connector_num_attention_heads": 32,
    "caption_proj_before_connector": True,
    "caption_proj_input_norm": False,
    "caption_projection_first_linear": False,
    "caption_projection_second_linear": False,
    "connector_apply_gated_attention": True,
    "connector_num_attention_heads": 32,
    "connector_num_layers": 8,
    "cross_attention_adaln": True,
    "text_encoder_norm_type": "per_token_rms",
}
VAE = {
    "_class_name": "CausalVideoAutoencoder",
    "dims": 3,
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 128,
    "encoder_blocks": _blocks(
        *(_layers(4), _sampler("space_res", 2), _layers(6), _sampler("time_res", 2), _layers(6)),
        *(_sampler("all_res", 2), _layers(2), _sampler("all_res", 2), _layers(2)),
    ),
    "decoder_blocks": _blocks(
        *(_layers(5), _sampler("all", 2, residual=True), _layers(5), _sampler("all", 2, residual=True)),
        *(_layers(5), _sampler("all", 2, residual=True), _layers(5)),
    ),
    "norm_layer": "pixel_norm",
    "patch_size": 4,
    "latent_log_var": "uniform",
    "use_quant_conv": False,
    "causal_decoder": False,
    "timestep_conditioning": False,
}
LATER_VAE = VAE | {
    "encoder_blocks": _blocks(
        *(_layers(4), _sampler("space_res", 2), _layers(6), _sampler("time_res", 2), _layers(4)),
        *(_sampler("all_res", 2), _layers(2), _sampler("all_res", 1), _layers(2)),
    ),
    "decoder_blocks": _blocks(
        *(_layers(4), _sampler("space", 2), _layers(6), _sampler("time", 2), _layers(4)),
        *(_sampler("all", 1), _layers(2), _sampler("all", 2), _layers(2)),
    ),
    "encoder_base_channels": 128,
    "decoder_base_channels": 128,
    "spatial_padding_mode": "zeros",
}
AUDIO_VAE = {
    "model": {
        "params": {
            "ddconfig": {
                "double_z": True,
                "mel_bins": 64,
                "z_channels": 8,
                "resolution": 256,
                "in_channels": 2,
                "out_ch": 2,
                "ch": 128,
                "ch_mult": [1, 2, 4],
                "num_res_blocks": 2,
                "attn_resolutions": [],
                "dropout": 0.0,
                "mid_block_add_attention": False,
                "norm_type": "pixel",
                "causality_axis": "height",
            },
            "sampling_rate": 16000,
        }
    },
    "preprocessing": {
        "audio": {"sampling_rate": 16000, "stereo": True, "causal_padding": 3},
        "stft": {"filter_length": 1024, "hop_length": 160, "win_length": 1024, "causal": True},
        "mel": {"n_mel_channels": 64, "mel_fmin": 0, "mel_fmax": 8000},
    },
}
_RESNETS = {
    "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
    "stereo": True,
}
VOCODER = _RESNETS | {
    "upsample_initial_channel": 1024,
    "upsample_rates": [6, 5, 2, 2, 2],
    "upsample_kernel_sizes": [16, 15, 8, 4, 4],
}
_SMOOTH = _RESNETS | {
    "resblock": "AMP1",
    "activation": "snakebeta",
    "use_tanh_at_final": False,
    "use_bias_at_final": False,
}
LATER_VOCODER = {
    "vocoder": _SMOOTH
    | {
        "upsample_initial_channel": 1536,
        "upsample_rates": [5, 2, 2, 2, 2, 2],
        "upsample_kernel_sizes": [11, 4, 4, 4, 4, 4],
    },
    "bwe": _SMOOTH
    | {
        "upsample_initial_channel": 512,
        "upsample_rates": [6, 5, 2, 2, 2],
        "upsample_kernel_sizes": [12, 11, 4, 4, 4],
        "apply_final_activation": False,
        "input_sampling_rate": 16000,
        "output_sampling_rate": 48000,
        "hop_length": 80,
        "n_fft": 512,
        "win_size": 512,
        "num_mels": 64,
    },
}
_LATER_PARTS = {"vae": LATER_VAE, "audio_vae": AUDIO_VAE, "vocoder": LATER_VOCODER}
VERSIONS: dict[str, dict[str, Any]] = {
    "2.0": {"transformer": TRANSFORMER, "vae": VAE, "audio_vae": AUDIO_VAE, "vocoder": VOCODER},
    "2.3": {"transformer": LATER, **_LATER_PARTS},
    "2.5": {
        "transformer": LATER | {"ff_bias": False, "use_keyframes_abs_pos_embedding": True},
        **_LATER_PARTS,
    },
}
COUNTS = {
    "2.0": [18.88, 1.43, 0.69, 0.53],
    "2.3": [18.99, 3.17, 0.32, 0.41],
    "2.5": [18.99, 3.17, 0.32, 0.41],
}
"""Transformer, connectors, encoder and decoder of the video VAE."""
VAE_ENCODER = {
    "_class_name": "Encoder",
    "dims": 3,
    "in_channels": 3,
    "out_channels": 8,
    "blocks": LATER_VAE["encoder_blocks"],
    "patch_size": 4,
    "latent_log_var": "constant",
    "norm_layer": "pixel_norm",
    "base_channels": 8,
    "spatial_padding_mode": "zeros",
}
DECODER = {
    "_class_name": "NADiffusionDecoder",
    "in_channels": 8,
    "out_channels": 3,
    "patch_size": 4,
    "head_dim": 8,
    "stage_channels": [32, 16, 8, 8, 8],
    "stage_depths": [1, 1, 1, 1, 1],
    "stage_kernels": [[3, 3, 3]] * 5,
    "upsamples": [[[1, 2, 2], 2], [[2, 1, 1], 2], [[2, 2, 2], 1], [[2, 2, 2], 1]],
    "stage5_kernel": [3, 3, 3],
    "t_emb_dim": 16,
    "timestep_scale_multiplier": 1000.0,
    "default_num_inference_steps": 1,
}
"""A small diffusion decoder in the form of the published one."""
