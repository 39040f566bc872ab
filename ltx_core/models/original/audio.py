"""Configs of the audio VAE, its front end and the vocoder: the original's to diffusers'."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ltx_core.models.component import Stored
from ltx_core.models.errors import ModelError
from ltx_core.models.original.configs import expect

PLAIN_OUTPUT = 24000
"""Samples per second of a vocoder whose input's rate is not known."""


def audio_facts(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the transformer's config repeats of the audio VAE; LTX-2's where there is none."""
    if not config:
        return {"audio_scale_factor": 4, "audio_sampling_rate": 16000, "audio_hop_length": 160}
    mel = mel_config(config)
    levels = len(_inner(config).get("ch_mult", (1, 2, 4)))
    return {
        "audio_scale_factor": 2 ** (levels - 1),
        "audio_sampling_rate": mel["sample_rate"],
        "audio_hop_length": mel["hop"],
    }


def audio_vae_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """diffusers' config of `AutoencoderKLLTX2Audio`, of the section `audio_vae`."""
    inner, mel = _inner(config), mel_config(config)
    return {
        "_class_name": "AutoencoderKLLTX2Audio",
        "base_channels": inner.get("ch", 128),
        "output_channels": inner.get("out_ch", 2),
        "ch_mult": list(inner.get("ch_mult", (1, 2, 4))),
        "num_res_blocks": inner.get("num_res_blocks", 2),
        "attn_resolutions": inner.get("attn_resolutions") or None,
        "in_channels": inner.get("in_channels", 2),
        "resolution": inner.get("resolution", 256),
        "latent_channels": inner.get("z_channels", 8),
        "norm_type": inner.get("norm_type", "pixel"),
        "causality_axis": inner.get("causality_axis", "height"),
        "dropout": inner.get("dropout", 0.0),
        "mid_block_add_attention": inner.get("mid_block_add_attention", False),
        "sample_rate": mel["sample_rate"],
        "mel_hop_length": mel["hop"],
        "is_causal": bool((_preprocessing(config).get("stft") or {}).get("causal", True)),
        "mel_bins": inner.get("mel_bins", mel["mel_bins"]),
        "double_z": inner.get("double_z", True),
    }


def mel_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `media.mel.MelSpec`, of the section `audio_vae`.

    Raises:
        ModelError: for a front end of another form.
    """
    parts = _preprocessing(config)
    audio, stft, mel = (parts.get(name) or {} for name in ("audio", "stft", "mel"))
    rate = int(audio.get("sampling_rate", _params(config).get("sampling_rate", 16000)))
    size = int(stft.get("filter_length", 1024))
    expect("audio_vae preprocessing", stft, win_length=size)
    expect("audio_vae preprocessing", audio, stereo=True)
    return {
        "sample_rate": rate,
        "n_fft": size,
        "hop": int(stft.get("hop_length", 160)),
        "mel_bins": int(mel.get("n_mel_channels", 64)),
        "f_min": float(mel.get("mel_fmin", 0)),
        "f_max": float(mel.get("mel_fmax") or rate / 2),
    }


def vocoder_config(
    config: Mapping[str, Any], weights: Mapping[str, Stored], audio: Mapping[str, Any] | None
) -> dict[str, Any]:
    """diffusers' config of `LTX2Vocoder`, or of `LTX2VocoderWithBWE` where the bandwidth is extended.

    Args:
        config: the section `vocoder` of the checkpoint.
        weights: the vocoder's by the original's names: the width of its input is theirs.
        audio: the section `audio_vae`, whose mel frames are the vocoder's input.

    Raises:
        ModelError: for a setting that diffusers' classes have not.
    """
    if "bwe" not in config:
        flat = config.get("vocoder", config)
        rate = PLAIN_OUTPUT
        if audio:
            mel = mel_config(audio)
            rate = mel["sample_rate"] * math.prod(flat["upsample_rates"]) // mel["hop"]
        named = _generator(flat, weights, "")
        named["output_sampling_rate"] = flat.get("output_sampling_rate", rate)
        return {"_class_name": "LTX2Vocoder", **named}
    main, extension = config["vocoder"], config["bwe"]
    inner = _generator(extension, weights, "bwe_generator.")
    size = extension.get("n_fft", 512)
    return {
        "_class_name": "LTX2VocoderWithBWE",
        **_generator(main, weights, "vocoder."),
        **{f"bwe_{name}": value for name, value in inner.items()},
        "filter_length": size,
        "hop_length": extension.get("hop_length", 80),
        "window_length": extension.get("win_size", size),
        "num_mel_channels": extension.get("num_mels", 64),
        "input_sampling_rate": extension.get("input_sampling_rate", 16000),
        "output_sampling_rate": extension.get("output_sampling_rate", 48000),
    }


def _generator(config: Mapping[str, Any], weights: Mapping[str, Stored], prefix: str) -> dict[str, Any]:
    """One generator's settings, of a vocoder or of its extension."""
    first = weights.get(f"{prefix}conv_pre.weight")
    if first is None:
        raise ModelError(f"the checkpoint's vocoder has no {prefix}conv_pre.weight; get the file again")
    smooth = str(config.get("resblock", "1")).upper().startswith("AMP")
    last = "tanh" if config.get("use_tanh_at_final", True) else "clamp"
    return {
        "in_channels": first.shape[1],
        "hidden_channels": config["upsample_initial_channel"],
        "out_channels": 2 if config.get("stereo", True) else 1,
        "upsample_kernel_sizes": list(config["upsample_kernel_sizes"]),
        "upsample_factors": list(config["upsample_rates"]),
        "resnet_kernel_sizes": list(config["resblock_kernel_sizes"]),
        "resnet_dilations": [list(sizes) for sizes in config["resblock_dilation_sizes"]],
        "act_fn": config.get("activation", "snake") if smooth else "leaky_relu",
        "leaky_relu_negative_slope": 0.1,
        "antialias": smooth,
        "antialias_ratio": 2,
        "antialias_kernel_size": 12,
        "final_act_fn": last if config.get("apply_final_activation", True) else None,
        "final_bias": config.get("use_bias_at_final", True),
    }


def _params(config: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (config.get("model") or {}).get("params") or {}
    return found


def _inner(config: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = _params(config).get("ddconfig") or {}
    return found


def _preprocessing(config: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = config.get("preprocessing") or {}
    return found
