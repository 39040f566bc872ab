"""How a training judges itself: its part of the key, the judge, the weights that it gives. No torch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ltx_core.config.root import Config
from ltx_core.errors import LtxError
from ltx_core.store.dataset import Sample
from ltx_core.training.judge_options import JudgeOptions

logger = logging.getLogger(__name__)


def judged_section(config: Config) -> dict[str, Any]:
    """What the weights depend on where held-out loss decides on them; nothing where it is only recorded."""
    validation, publish = config.validation, config.checkpoints.publish
    stopping = validation.early_stopping
    if stopping is None and publish == "last":
        return {}
    return {
        "judged": {
            "early_stopping": None if stopping is None else stopping.model_dump(mode="json"),
            "publish": publish,
            "metric": validation.best_metric,
            "interval": validation.every,
            "clips": validation.heldout_clips,
            "levels": validation.heldout_levels,
            "levels_per_clip": validation.heldout_levels_per_clip,
            "seed": validation.seed,
        }
    }


def judge_options(config: Config, samples: Sequence[Sample]) -> JudgeOptions:
    """How the evaluations of a training on these samples are judged.

    Raises:
        LtxError: when held-out loss decides and no clip is held out.
    """
    if judged_section(config) and not any(sample.split == "heldout" for sample in samples):
        name = (
            "validation.early_stopping" if config.validation.early_stopping else "checkpoints.publish: best"
        )
        raise LtxError(
            f"{name} goes by the loss on held-out clips, and no clip of the dataset is held out; raise "
            "`dataset.holdout.fraction`, or leave it out"
        )
    return options_of(config)


def options_of(config: Config) -> JudgeOptions:
    """How the evaluations of the config's training are judged."""
    stopping, options = config.validation.early_stopping, config.optimization
    return JudgeOptions(
        metric=config.validation.best_metric,
        weights={"video": options.video_loss_weight, "audio": options.audio_loss_weight},
        patience=None if stopping is None else stopping.patience,
        min_delta=0.0 if stopping is None else stopping.min_delta,
    )


def chosen_checkpoint(config: Config, last: Path, best: Path | None) -> Path:
    """The checkpoint whose weights become the run's product."""
    if config.checkpoints.publish == "last":
        return last
    if best is None:
        logger.warning(
            "no evaluation has a finite loss, so there is no best step: the last one's weights are taken"
        )
        return last
    return best
