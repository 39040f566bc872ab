"""What the configs of an LTX-Video model say. Read without torch.

Design choices
- No config states the version. The autoencoder tells it: 0.9.0 decodes without a noise level, 0.9.1 with one,
  and from 0.9.5 on the encoder is another one. 13B (48 blocks) came with 0.9.7. What differs between later
  versions (0.9.6, 0.9.8, distilled) is in the weights alone.
- With the new autoencoder came the causal positions, longer captions and sampling without a shift: one change
  of the public pipeline (`LTXPipeline` -> `LTXConditionPipeline`).
- The limit of captions is the pipelines' (128, later 256), not the tokenizer's: later folders state 128 too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ltx_core.diffusion.options import Schedule
from ltx_core.geometry.grid import VideoScale
from ltx_core.models.component import Component
from ltx_core.models.errors import GET_ONE, ModelError
from ltx_core.models.facts import Facts

FAMILY, VAE_CLASS = "ltxv", "AutoencoderKLLTXVideo"
LATER_BLOCK = "LTXVideo095DownBlock3D"
"""Kind of the encoder's blocks from 0.9.5 on."""
LARGE_BLOCKS = 48
"""Blocks of the 13B transformer; 2B has 28."""
OLD_TEXT, TEXT = 128, 256
"""Tokens of a caption before and from 0.9.5 on."""
T5_WIDTH = 4096
AXES = {"conv": (2, 2, 2), "spatial": (1, 2, 2), "temporal": (2, 1, 1), "spatiotemporal": (2, 2, 2)}
"""Halvings of time, height, width by the kind of a downsampler."""


def ltxv_facts(parts: Mapping[str, Component]) -> Facts:
    """Facts of a model of the LTX-Video family.

    Raises:
        ModelError: when a config is missing, damaged or not one that can be used.
    """
    transformer = parts["transformer"].config
    if transformer.get("patch_size", 1) != 1 or transformer.get("patch_size_t", 1) != 1:
        raise ModelError(
            f"{parts['transformer'].place} has a patch size other than 1; only 1 can be used. {GET_ONE}"
        )
    vae = _vae(parts)
    blocks = int(transformer.get("num_layers", 28))
    version = version_of(vae, blocks)
    later = is_later(vae)
    text = TEXT if later else OLD_TEXT
    return Facts(
        family=FAMILY,
        version=version,
        video_scale=_scale(vae, later),
        video_channels=int(transformer.get("in_channels", 128)),
        audio_scale=None,
        audio_channels=0,
        audio_bins=0,
        mel=None,
        wave_rate=0,
        text_tokens=text,
        context_tokens=text,
        text_width=int(transformer.get("caption_channels", T5_WIDTH)),
        blocks=blocks,
        schedule=_schedule(parts.get("scheduler"), later),
    )


def is_later(vae: Mapping[str, Any]) -> bool:
    """Whether an autoencoder's config is that of 0.9.5 or later."""
    return LATER_BLOCK in vae.get("down_block_types", ())


def version_of(vae: Mapping[str, Any], blocks: int) -> str:
    """The first version that has this autoencoder and size."""
    if is_later(vae):
        return "0.9.7" if blocks >= LARGE_BLOCKS else "0.9.5"
    return "0.9.1" if vae.get("timestep_conditioning") else "0.9.0"


def _vae(parts: Mapping[str, Component]) -> Mapping[str, Any]:
    if "vae" not in parts:
        raise ModelError(
            f"the model of {parts['transformer'].place} has no vae/, which tells its version. {GET_ONE}"
        )
    config = parts["vae"].config
    if config.get("_class_name") != VAE_CLASS:
        raise ModelError(
            f"{parts['vae'].place} is a {config.get('_class_name')}, but {parts['transformer'].place} is an "
            f"LTX-Video transformer, whose video VAE is {VAE_CLASS}. {GET_ONE}"
        )
    return config


def _scale(vae: Mapping[str, Any], causal: bool) -> VideoScale:
    """Pixels per latent: what the config states, else of its patches and downsamplers."""
    scaling = vae.get("spatio_temporal_scaling", (True, True, True, False))
    kinds = vae.get("downsample_type", ("conv",) * len(scaling))
    steps = [AXES[kind] for kind, scaled in zip(kinds, scaling, strict=False) if scaled]
    time = int(vae.get("patch_size_t", 1)) * math.prod(step[0] for step in steps)
    side = int(vae.get("patch_size", 4)) * math.prod(step[1] for step in steps)
    space = int(vae.get("spatial_compression_ratio") or side)
    return VideoScale(int(vae.get("temporal_compression_ratio") or time), space, space, causal)


def _schedule(scheduler: Component | None, later: bool) -> Schedule:
    """How levels fall when sampling: by the scheduler's config, else as the version's has it."""
    config = {"use_dynamic_shifting": not later} if scheduler is None else scheduler.config
    if not config.get("use_dynamic_shifting"):
        return Schedule("linear_quadratic", terminal=None)
    default = Schedule()
    (low_tokens, low), (high_tokens, high) = default.anchors
    terminal = config.get("shift_terminal", default.terminal)
    return Schedule(
        "by_tokens",
        anchors=(
            (int(config.get("base_image_seq_len", low_tokens)), float(config.get("base_shift", low))),
            (int(config.get("max_image_seq_len", high_tokens)), float(config.get("max_shift", high))),
        ),
        terminal=None if terminal is None else float(terminal),
    )
