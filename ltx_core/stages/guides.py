"""How strongly the samples of a config are guided, per modality."""

from __future__ import annotations

from ltx_core.conditions.base import Modality
from ltx_core.modes import Strategy
from ltx_core.sampling.guidance import Guidance
from ltx_core.stages.context import Context


def guidance(context: Context) -> dict[Modality, Guidance]:
    """Guidance per modality, from the config."""
    found = context.config.validation
    return {
        "video": Guidance(
            found.video_cfg_scale,
            found.video_stg_scale,
            found.video_modality_guidance_scale,
            found.guidance_rescale,
        ),
        "audio": Guidance(
            found.audio_cfg_scale,
            found.audio_stg_scale,
            found.audio_modality_guidance_scale,
            found.guidance_rescale,
        ),
    }


def by_prompt(context: Context, strategy: Strategy) -> bool:
    """Whether a generated modality is guided by the prompt, so that the negative prompt is needed."""
    found = guidance(context)
    return any(s.is_generated and "uncond" in found[name].variants for name, s in strategy.streams.items())
