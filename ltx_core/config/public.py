"""Settings of the public trainer that are read and cannot be honoured: refused before a run, or told.

What would change the result or the memory needed is refused; what happens beside the training is told, with
what is done instead.
"""

from __future__ import annotations

from ltx_core.config.root import Config


def refusals(config: Config) -> list[str]:
    """Why the config cannot run as it is stated: the field, the reason, what to write."""
    acceleration, found = config.acceleration, []
    if acceleration.quantization is not None:
        found.append(
            f"acceleration.quantization is {acceleration.quantization!r}, but base weights are not quantised "
            "here, and the LoRA would be another one; set `quantization: null`, and to save memory "
            "optimization.enable_gradient_checkpointing=true and optimization.batch_size=1"
        )
    if acceleration.load_text_encoder_in_8bit:
        found.append(
            "acceleration.load_text_encoder_in_8bit is true, but the text encoder is loaded in "
            "mixed_precision_mode: it runs once, alone in memory, before training; set it to false"
        )
    if config.optimization.optimizer_type == "adamw8bit":
        found.append(
            "optimization.optimizer_type is 'adamw8bit', but the optimizer keeps 32-bit moments, which a "
            "resumed run restores exactly; set `optimizer_type: adamw` (6 bytes more per trained number)"
        )
    if config.lora.dropout == 1 and config.model.training_mode == "lora":
        found.append("lora.dropout is 1, which drops all that the LoRA could learn from; use less, as 0.1")
    if config.validation.inference_steps < 2:
        found.append("validation.inference_steps is 1, but a sample takes at least 2 steps; use 2 or more")
    return found


def notices(config: Config) -> list[str]:
    """What a run does not do although it is stated, and what it does instead."""
    hub, found = config.hub, []
    if hub.push_to_hub:
        target = hub.hub_model_id or "OWNER/NAME"
        found.append(
            "hub.push_to_hub is true: nothing is uploaded by a run; the published folder holds the model "
            f"card and the weights: `hf upload {target} {config.workspace / 'published' / config.name}`"
        )
    if config.wandb.enabled:
        found.append(
            "wandb.enabled is true: nothing is sent to W&B; the run's folder holds metrics.parquet, "
            "TensorBoard events and report.html, samples included"
        )
    if config.optimization.scheduler_type == "constant" and config.optimization.scheduler_params:
        names = ", ".join(config.optimization.scheduler_params)
        found.append(f"optimization.scheduler_params {names}: the 'constant' schedule takes none")
    return found
