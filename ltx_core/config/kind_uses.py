"""What the configured references and masks need beside the data: models and users' functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltx_core.curation.functions import module_file
from ltx_core.curation.kinds import Kind, Kinds
from ltx_core.curation.masking.kinds import AUDIO_MASKS, MASKS
from ltx_core.curation.referencing.kinds import AUDIO_REFERENCES, REFERENCES
from ltx_core.models.transformers_folder import fetch_folder, model_folder

if TYPE_CHECKING:
    from ltx_core.config.root import Config


MODELS = sorted(
    {option.name for kinds in (REFERENCES, MASKS) for kind in kinds.listed for option in kind.models}
)
"""Options that name models."""


@dataclass(frozen=True)
class Use:
    """One kind in use: `place` is its section of the config, as `dataset.references`."""

    place: str
    kind: Kind
    options: Any

    def models(self) -> dict[str, tuple[str, str]]:
        """Option -> (the option's place, the folder or repository that it names)."""
        return {
            option.name: (f"{self.place}.{option.name}", getattr(self.options, option.name) or option.default)
            for option in self.kind.models
            if option.wanted(self.options)
        }

    @property
    def function(self) -> str:
        """The user's function that it calls, or ""."""
        found: str = getattr(self.options, self.kind.function) if self.kind.function else ""
        return found


def located(dataset: Any, resolve: Callable[[str], Path]) -> None:
    """Make the paths of models absolute in a dataset's section as written; what is no file here stays: it may
    be a repository's name.

    Args:
        dataset: the section, changed in place.
        resolve: the absolute path of a text.
    """
    listed = (
        {name: dataset.get(name) for name in ("references", "masks")} if isinstance(dataset, dict) else {}
    )
    further = dataset.get("extra_references") if isinstance(dataset, dict) else None
    sections = [*listed.values(), *(further.values() if isinstance(further, dict) else ())]
    for section in sections:
        for name in MODELS if isinstance(section, dict) else ():
            text = section.get(name)
            if isinstance(text, str) and text and resolve(text).exists():
                section[name] = str(resolve(text))


def uses(config: Config) -> Iterator[Use]:
    """The stated kinds that the mode reads; those that follow from the data need nothing."""
    dataset, read = config.dataset, config.training_strategy.columns
    if config.imported:
        return
    listed: list[tuple[str, str, Kinds, Any]] = [
        ("references", "reference_latents", REFERENCES, dataset.references),
        *(
            (f"extra_references.{column}", column, REFERENCES, options)
            for column, options in dataset.extra_references.items()
        ),
        ("audio_references", "reference_audio_latents", AUDIO_REFERENCES, dataset.audio_references),
        ("masks", "video_masks", MASKS, dataset.masks),
        ("audio_masks", "audio_masks", AUDIO_MASKS, dataset.audio_masks),
    ]
    for place, column, kinds, options in listed:
        if column in read and options.kind is not None:
            yield Use(f"dataset.{place}", kinds[options.kind], options)


def check_kinds(config: Config) -> str:
    """Refuse a model that is not there, and a function that cannot be found.

    Returns:
        what is used.

    Raises:
        LtxError: naming the option.
    """
    found = []
    for use in uses(config):
        needed = [model_folder(text, place) for place, text in use.models().values()]
        needed += [module_file(use.function)] if use.function else []
        found.append(f"{use.place} {use.kind.name}" + "".join(f", {path}" for path in needed))
    return "; ".join(found) or "as the data say"


def fetch_kinds(config: Config, tell: Callable[[str], None]) -> None:
    """Download the models that are named by their repository and are not on this machine.

    Raises:
        ModelError: when one cannot be got, with what to do.
    """
    for use in uses(config):
        for place, text in use.models().values():
            fetch_folder(text, place, tell)
