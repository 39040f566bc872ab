"""The texts that a run encodes beside the captions, and why; a run on imported data may do without."""

from __future__ import annotations

from ltx_core.config.roles import clip_roles, wanted_modalities
from ltx_core.config.root import Config
from ltx_core.modes import Role

ENCODER = ("text_encoder", "tokenizer")
"""Folders of a model that encode a text."""


def encoded_texts(config: Config) -> list[str]:
    """What of the config asks for an encoded text, with the setting that does not."""
    validation, wanted = config.validation, []
    if config.optimization.caption_dropout > 0:
        wanted.append("the empty caption (set optimization.caption_dropout: 0)")
    if validation.samples:
        wanted.append("the prompts of validation.samples (leave them out: held-out clips are sampled)")
    scales = {"video": validation.video_cfg_scale, "audio": validation.audio_cfg_scale}
    roles = clip_roles(config.training_strategy, wanted_modalities(validation))
    for modality, role in roles.items():
        if role is Role.GENERATE and scales[modality] != 1:
            wanted.append(f"the negative prompt (set validation.{modality}_cfg_scale: 1)")
    return wanted
