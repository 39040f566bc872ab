"""Caption options that cannot end well, found before anything runs."""

from __future__ import annotations

from pathlib import Path

from ltx_core.config.root import Config
from ltx_core.curation.captioning.client import key_of
from ltx_core.curation.captioning.prompts import template
from ltx_core.curation.options.captions import CaptionOptions
from ltx_core.errors import ConfigError

SERVERS = ("endpoint", "gemini")


def check_captions(config: Config) -> str:
    """What writes captions.

    Raises:
        ConfigError: for a prompt that cannot be filled, a captioner without a model or a key, or prices that
            are missing where costs are limited.
        EndpointError: for a key that is none.
    """
    options = config.dataset.captions
    order = ", ".join(source for source in options.order if source != "captioner")
    if config.imported or options.captioner == "none" or "captioner" not in options.order:
        return f"nobody writes captions; they are taken from: {order}"
    template(options.prompt)
    template(options.sound_prompt, sound=True)
    if options.captioner in SERVERS:
        return _server(options)
    if options.captioner == "transformers":
        return _model(options, config.training_strategy.video is None)
    return "describe: captions are measurements, and do not say what is to be seen"


def _server(options: CaptionOptions) -> str:
    if not options.model:
        raise ConfigError(
            f"dataset.captions.captioner is {options.captioner} and captions.model is empty; name the "
            f"model that {options.server} offers"
        )
    if options.max_cost is not None and not (options.price_in or options.price_out):
        raise ConfigError(
            "dataset.captions.max_cost limits what captions cost, but no price is known; set price_in and "
            "price_out (per million tokens)"
        )
    key = key_of(options)
    if options.captioner == "gemini" and not key:
        raise ConfigError(
            f"dataset.captions.captioner is gemini and the environment variable {options.key_variable} is "
            "empty; put the key there"
        )
    return f"{options.model} at {options.server}"


def _model(options: CaptionOptions, sound_alone: bool) -> str:
    from ltx_core.models.captioner.kinds import kind_of_folder

    kind = kind_of_folder(Path(options.model))
    if options.temperature:
        raise ConfigError(
            f"dataset.captions.temperature is {options.temperature:g}; a model in this process answers "
            "greedily, so that a caption depends on its clip alone: leave it at 0"
        )
    if sound_alone and kind.sound is None:
        raise ConfigError(
            f"{options.model} does not hear, and this mode has sound alone; use a Qwen2.5-Omni or Qwen3-Omni"
        )
    return f"{kind.model_types[0]} in {options.model}"
