"""What several processes, and weights that they share out, cannot do."""

from __future__ import annotations

from ltx_core.config.root import Config


def process_refusals(config: Config) -> list[str]:
    """Why the config cannot run on shared-out weights: the field, the reason, what to write."""
    options, whole = config.acceleration, config.model.training_mode == "full"
    if options.distribution != "fsdp" or options.processes == 1:
        return []
    cause = "acceleration.distribution is 'fsdp'"
    found = []
    if options.blocks_to_swap:
        found.append(
            f"acceleration.blocks_to_swap moves whole blocks, but {cause}, where no process holds one; set "
            "`blocks_to_swap: 0`, or `distribution: ddp`"
        )
    if options.compile:
        found.append(
            f"acceleration.compile is true, but {cause}: a compiled block does not see its weights come and "
            "go; set `compile: false`, or `distribution: ddp`"
        )
    if whole and config.optimization.optimizer_type != "adamw":
        found.append(
            f"optimization.optimizer_type is {config.optimization.optimizer_type!r}, but {cause} and every "
            "weight learns: only an update number by number is the same on a part of a weight; set "
            "`optimizer_type: adamw`, or `distribution: ddp`"
        )
    if whole and config.optimization.ema_offload:
        found.append(
            f"optimization.ema_offload is true, but {cause} and every weight learns: the average is shared "
            "out as the weights are; set `ema_offload: false`"
        )
    if whole and options.precision == "fp16":
        found.append(
            f"acceleration.mixed_precision_mode is 'fp16', but {cause} and every weight learns, where the "
            "loss cannot be scaled; set `mixed_precision_mode: bf16`"
        )
    if whole and options.offload_optimizer_during_validation:
        found.append(
            f"acceleration.offload_optimizer_during_validation is true, but {cause}, which shares the "
            "optimizer's state out already; set `offload_optimizer_during_validation: false`"
        )
    return found
