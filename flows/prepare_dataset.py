"""From a folder of videos to a dataset of latents and embeddings."""

from __future__ import annotations

from typing import Any

from flows._run import ltx_flow, open_run, run_needed
from tasks._work import Work
from tasks.audio_latents import audio_latents
from tasks.audio_masks import audio_masks
from tasks.audio_references import audio_references
from tasks.buckets import buckets
from tasks.captions import captions
from tasks.clips import clips
from tasks.dataset import dataset
from tasks.imported import imported
from tasks.latents import latents
from tasks.mask_latents import mask_latents
from tasks.masks import masks
from tasks.reference_audio_latents import reference_audio_latents
from tasks.reference_latents import reference_latents
from tasks.references import references
from tasks.scenes import scenes
from tasks.scorers import scorers
from tasks.scores import scores
from tasks.sources import sources
from tasks.text import text

MADE = (references, masks, audio_references, audio_masks)
ENCODING = (latents, audio_latents, reference_latents, reference_audio_latents, mask_latents)
CUTTING = (sources, scenes, buckets, clips, scores, scorers)
PREPARATION = (imported, *CUTTING, captions, text, *MADE, *ENCODING, dataset)
"""The stages in the order in which they read each other; a mode leaves out what it does not use."""


def prepare(work: Work) -> dict[str, Any]:
    """Run every stage up to the dataset that the mode needs."""
    return run_needed(PREPARATION, work)


@ltx_flow("prepare-dataset")
def prepare_dataset(config: str, overrides: list[str] | None = None) -> dict[str, Any]:
    """Prepare the dataset of `config`; `overrides` are `key=value` texts."""
    with open_run(config, overrides) as work:
        return prepare(work)
