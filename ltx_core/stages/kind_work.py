"""What a kind of reference or mask depends on beside its clip, and what it is given to work with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ltx_core.config.kind_uses import Use
from ltx_core.curation.functions import mark
from ltx_core.curation.kinds import Work
from ltx_core.models.fingerprint import fingerprint_folder
from ltx_core.models.transformers_folder import model_folder
from ltx_core.stages.context import Context

if TYPE_CHECKING:
    import torch


def own_values(use: Use) -> dict[str, Any]:
    """The options that change the result: those of the kind, without where its models lie."""
    models = {option.name for option in use.kind.models}
    return {name: value for name, value in use.kind.own(use.options).items() if name not in models}


def kind_marks(context: Context, use: Use) -> list[str]:
    """Fingerprints of its models and the mark of its function; none for a kind that has neither.

    Raises:
        LtxError: when one is not there.
    """

    def make() -> list[str]:
        prints = {
            name: fingerprint_folder(model_folder(text, place))
            for name, (place, text) in use.models().items()
        }
        found = [f"{name} {value}" for name, value in sorted(prints.items())]
        return [*found, *([f"{use.function} {mark(use.function)}"] if use.function else [])]

    return context.memo(("kind marks", use.place, use.kind.name), make)


def kind_work(context: Context, use: Use, clip_id: str) -> Work:
    """The clip's id and the kind's loaded model.

    Raises:
        LtxError: when a model cannot be loaded.
    """
    load = use.kind.load
    models = use.models()
    if load is None or not models:
        return Work(clip_id)
    name = " ".join([use.kind.name, *kind_marks(context, use)])

    def loaded(device: torch.device) -> Any:
        from ltx_core.models.loading import quiet

        with quiet():
            return load({name: model_folder(text, place) for name, (place, text) in models.items()}, device)

    return Work(clip_id, context.models.other(name, loaded))
