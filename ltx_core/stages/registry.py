"""The hand-written list of stages, in the order in which they run."""

from __future__ import annotations

from ltx_core.stages.audio_masks import AudioMasks
from ltx_core.stages.audio_references import AudioReferences, ReferenceAudioLatents
from ltx_core.stages.base import Stage
from ltx_core.stages.buckets import Buckets
from ltx_core.stages.captions import Captions
from ltx_core.stages.clips import Clips
from ltx_core.stages.dataset import Dataset
from ltx_core.stages.evaluate import Evaluate
from ltx_core.stages.imported import Imported
from ltx_core.stages.latents import AudioLatents, Latents
from ltx_core.stages.masks import MaskLatents, Masks
from ltx_core.stages.publish import Publish
from ltx_core.stages.push import Push
from ltx_core.stages.references import ReferenceLatents, References
from ltx_core.stages.scenes import Scenes
from ltx_core.stages.scorers import Scorers
from ltx_core.stages.scores import Scores
from ltx_core.stages.sources import Sources
from ltx_core.stages.text import Text
from ltx_core.stages.train import Train

STAGES: tuple[Stage, ...] = (
    Imported(),
    Sources(),
    Scenes(),
    Buckets(),
    Clips(),
    Scores(),
    Scorers(),
    Captions(),
    Text(),
    References(),
    Masks(),
    AudioReferences(),
    AudioMasks(),
    Latents(),
    AudioLatents(),
    ReferenceLatents(),
    ReferenceAudioLatents(),
    MaskLatents(),
    Dataset(),
    Train(),
    Evaluate(),
    Publish(),
    Push(),
)
"""Every stage."""

FILTERED = ("clips", "scores", "scorers")
"""What must be there before the filters can say which clips are kept."""
REQUIRES: dict[str, tuple[str, ...]] = {
    "imported": (),
    "sources": (),
    "scenes": ("sources",),
    "buckets": ("scenes",),
    "clips": ("scenes", "buckets"),
    "scores": ("clips",),
    "scorers": ("scores",),
    "captions": FILTERED,
    "text": ("captions",),
    "references": FILTERED,
    "masks": FILTERED,
    "audio_references": FILTERED,
    "audio_masks": FILTERED,
    "latents": FILTERED,
    "audio_latents": FILTERED,
    "reference_latents": ("references",),
    "reference_audio_latents": ("audio_references",),
    "mask_latents": ("masks",),
    "dataset": (
        "imported",
        "text",
        "latents",
        "audio_latents",
        "reference_latents",
        "reference_audio_latents",
        "mask_latents",
        "audio_masks",
    ),
    "train": ("dataset",),
    "evaluate": ("train",),
    "publish": ("evaluate",),
    "push": ("publish",),
}
"""What a stage needs before it; those that the mode does not need are left out."""
