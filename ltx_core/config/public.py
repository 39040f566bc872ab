"""Settings of the public trainer that are read and cannot be honoured: refused before a run, or told.

What would change the result or the memory needed is refused; what happens beside the training is told, with
what is done instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from ltx_core.config.hub_section import hub_notices, hub_refusals
from ltx_core.config.judged_checks import judging_refusals
from ltx_core.config.process_checks import process_refusals
from ltx_core.config.root import Config
from ltx_core.errors import LtxError
from ltx_core.models.attention_names import ON_CPU
from ltx_core.training.options import OptimizationOptions
from ltx_core.training.tracker_options import EXTRA, has_key

PRODIGY_RATE = 0.1
"""Learning rates below this are told where `prodigy` finds its own."""
_OWN = "this project's own {} runs, with one scale for each output of a layer."
_OTHER_NAMES: Mapping[str | None, str] = {
    "int8-quanto": _OWN.format("int8"),
    "fp8-quanto": _OWN.format("fp8"),
    "fp8uz-quanto": (
        "this project's own fp8 runs: that type differs in its range alone, for which the scale makes up."
    ),
    "int4-quanto": "this project's own int4 runs, with a scale and an offset for 64 weights.",
}
"""What runs for a name of the public trainer."""


def refusals(config: Config) -> list[str]:
    """Why the config cannot run as it is stated: the field, the reason, what to write."""
    found = _quantisation(config) + hub_refusals(config.hub)
    found += _optimizer(config.optimization)
    found += judging_refusals(config)
    if config.acceleration.blocks_to_swap and config.model.training_mode == "full":
        found.append(
            "acceleration.blocks_to_swap moves frozen weights, but model.training_mode is 'full', where "
            "every weight learns; set `blocks_to_swap: 0`, or train a LoRA"
        )
    found += _pace(config) + process_refusals(config)
    if config.lora.dropout == 1 and config.model.training_mode == "lora":
        found.append("lora.dropout is 1, which drops all that the LoRA could learn from; use less, as 0.1")
    whole = config.model.training_mode == "full"
    if config.lora.kind == "lokr" and not whole and "diffusers" in config.checkpoints.formats:
        found.append(
            "checkpoints.formats diffusers: lora.kind is 'lokr', which diffusers' pipelines of LTX do not "
            "read; use merged, or the lora.safetensors that ComfyUI reads"
        )
    if wrong := [form for form in config.checkpoints.formats if (form == "file") is not whole]:
        can = "file" if whole else "diffusers, merged, merged-file"
        found.append(
            f"checkpoints.formats {', '.join(wrong)}: `training_mode: {config.model.training_mode}` has the "
            f"further forms {can}"
        )
    if config.validation.inference_steps < 2:
        found.append("validation.inference_steps is 1, but a sample takes at least 2 steps; use 2 or more")
    return found


def notices(config: Config) -> list[str]:
    """What a run does not do although it is stated, and what it does instead."""
    found = hub_notices(config.hub, config.dataset.source, config.workspace / "published" / config.name)
    acceleration = config.acceleration
    stated, method = acceleration.quantization, acceleration.base_method
    if method is not None and stated != method:
        found.append(f"acceleration.quantization is {stated!r}: {_OTHER_NAMES[stated]} Write `{method}`")
    found += _trackers(config)
    rate = config.optimization.learning_rate
    if config.optimization.optimizer_type == "prodigy" and rate < PRODIGY_RATE:
        found.append(
            f"optimization.learning_rate is {rate:g}: prodigy finds the rate and multiplies it with this; "
            "its authors use 1"
        )
    if config.optimization.scheduler_type == "constant" and config.optimization.scheduler_params:
        names = ", ".join(config.optimization.scheduler_params)
        found.append(f"optimization.scheduler_params {names}: the 'constant' schedule takes none")
    return found


def _trackers(config: Config) -> list[str]:
    """Why records do not go where the config wants them to; the training runs all the same."""
    wanted = {"wandb": config.wandb.on, "trackio": config.trackio.enabled}
    found = [
        f"{name}.enabled is true, but {name} is not installed: nothing goes there; the run's folder holds "
        f"metrics.parquet, TensorBoard events and report.html; {EXTRA}"
        for name, on in wanted.items()
        if on and find_spec(name) is None
    ]
    if not found and config.wandb.on and config.wandb.mode == "online" and not has_key():
        found.append(
            "wandb.mode is 'online', but no key is known here: set WANDB_API_KEY or run `wandb login`, or "
            "write `mode: offline` and send the run later with `wandb sync`"
        )
    return found


def _optimizer(options: OptimizationOptions) -> list[str]:
    """Why the optimizer cannot be made; the default one as it is always can, and nothing is imported."""
    if options.optimizer_type == "adamw" and not options.optimizer_params:
        return []
    from ltx_core.training.optimizers import check_optimizer

    try:
        check_optimizer(options)
    except LtxError as error:
        return [str(error)]
    return []


def _pace(config: Config) -> list[str]:
    """What of the settings of speed cannot be done."""
    place, kind, found = config.acceleration, config.optimization.optimizer_type, []
    if place.compile and place.compile_mode == "reduce-overhead" and place.blocks_to_swap:
        found.append(
            "acceleration.compile_mode 'reduce-overhead' records where the weights lie, but "
            f"acceleration.blocks_to_swap {place.blocks_to_swap} moves them; use `compile_mode: default`, or "
            "`blocks_to_swap: 0`"
        )
    if place.device == "cpu" and place.attention not in ON_CPU:
        found.append(
            f"acceleration.attention is {place.attention!r}, which needs a GPU, but acceleration.device is "
            f"'cpu'; use one of {', '.join(ON_CPU)}"
        )
    if place.attention in ("flash", "cudnn") and place.device == "cuda" and place.precision == "no":
        found.append(
            f"acceleration.attention is {place.attention!r}, which takes 16-bit numbers, but "
            "acceleration.mixed_precision_mode is 'no'; use `bf16`, or `attention: efficient`"
        )
    if place.fused_optimizer and (place.device == "cpu" or kind != "adamw"):
        found.append(
            "acceleration.fused_optimizer is true, but it is for AdamW on a GPU, and "
            + ("acceleration.device is 'cpu'" if place.device == "cpu" else f"the optimizer is {kind!r}")
            + "; leave it out"
        )
    return found


def _quantisation(config: Config) -> list[str]:
    """What of the quantised weights cannot be done."""
    acceleration, found = config.acceleration, []
    stated = acceleration.quantization
    if stated is not None and acceleration.base_method is None:
        found.append(
            f"acceleration.quantization is {stated!r}, but four levels are too few for a base: a forward "
            "pass is off by about 40 %, which a LoRA would learn to mend; use `int4` or `nf4`, the nearest"
        )
    if stated is not None and config.model.training_mode == "full":
        found.append(
            f"acceleration.quantization is {stated!r}, but model.training_mode is 'full', where every weight "
            "learns, in small steps that few bits cannot hold; set `quantization: null`, or train a LoRA"
        )
    if acceleration.load_text_encoder_in_8bit and acceleration.text_encoder_quantization == "nf4":
        found.append(
            "acceleration.load_text_encoder_in_8bit is true, but acceleration.text_encoder_quantization is "
            "'nf4', which has 4 bits; state one of them"
        )
    return found
