"""Settings of evaluations that cannot decide what they shall decide."""

from __future__ import annotations

from ltx_core.config.root import Config


def judging_refusals(config: Config) -> list[str]:
    """Why the settings make no sense together: the field, the reason, what to write."""
    found, validation, checkpoints = [], config.validation, config.checkpoints
    if validation.early_stopping is not None and validation.every is None:
        found.append(
            "validation.early_stopping counts evaluations, but there is none between the first step and the "
            "last; set `heldout_interval`, as 100"
        )
    streams = config.training_strategy.streams
    generated = [name for name, stream in streams.items() if stream.is_generated]
    if validation.best_metric not in ("weighted", *generated):
        found.append(
            f"validation.best_metric is {validation.best_metric!r}, which the mode does not generate; use "
            f"{' or '.join(('weighted', *generated))}"
        )
    if checkpoints.publish == "best" and not checkpoints.keep_best:
        found.append(
            "checkpoints.publish is 'best', but with `keep_best: false` the best step's checkpoint may be "
            "gone by then; set `keep_best: true`"
        )
    each = validation.heldout_levels_per_clip
    if each is not None and each > validation.heldout_levels:
        found.append(
            f"validation.heldout_levels_per_clip is {each} of {validation.heldout_levels} levels; "
            f"set at most {validation.heldout_levels}, or raise `heldout_levels`"
        )
    return found
