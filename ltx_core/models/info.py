"""A model as its files describe it: its components, sizes, factors, limits. Read without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ltx_core.diffusion.options import Schedule
from ltx_core.models.component import Component
from ltx_core.models.errors import GET_ONE, ModelError
from ltx_core.models.facts import Facts, ltx2_facts
from ltx_core.models.folder import COMPONENTS, listing, read_config
from ltx_core.models.layouts import read_layout
from ltx_core.models.ltxv.facts import ltxv_facts
from ltx_core.models.places import FOUND_IN_FILES, Apart
from ltx_core.store.keys import digest

__all__ = ["GET_ONE", "ModelError", "ModelInfo", "read_config"]

FAMILIES: Mapping[str, Callable[[Mapping[str, Component]], Facts]] = {
    "LTX2VideoTransformer3DModel": ltx2_facts,
    "LTXVideoTransformer3DModel": ltxv_facts,
}
"""Class of the transformer -> what reads the facts of its family."""
STG_SHARES = {"2.0": (29, 48), "0.9.0": (19, 28), "0.9.1": (19, 28), "0.9.5": (19, 28)}
"""Block of spatio-temporal guidance as a share of the depth, by version (public pipelines' defaults)."""
DEFAULT_STG_SHARE = (28, 48)
CONTEXT_COMPONENTS: Mapping[str, tuple[str, ...]] = {"ltx2": ("connectors",), "ltxv": ()}
"""Family -> what makes the transformer's contexts of stored text features."""
WEIGHTLESS = frozenset(("tokenizer", "audio_processor", "scheduler"))
"""Components without weights."""


@dataclass(frozen=True)
class ModelInfo(Facts):
    """Facts of a model.

    Attributes:
        path: the folder or file that the config names.
        parts: its components by name.
    """

    path: Path
    parts: Mapping[str, Component] = field(repr=False, compare=False)

    @classmethod
    def read(cls, path: str | Path, apart: Apart | None = None) -> ModelInfo:
        """Read the facts of the model in `path`, whatever layout it has (`layouts`).

        Args:
            path: the folder, file or repository's name.
            apart: what lies elsewhere (`places.apart`).

        Raises:
            ModelError: when there is no such model, or it is not one that this project can use.
        """
        place = Path(path)
        parts = read_layout(place, apart)
        if "transformer" not in parts:
            raise ModelError(f"the model in {place} has no transformer/; found {listing(place)}. {GET_ONE}")
        name = str(parts["transformer"].config.get("_class_name"))
        if name not in FAMILIES:
            raise ModelError(
                f"{parts['transformer'].place} is a {name}; models of the families LTX-2 and LTX-Video "
                f"({', '.join(FAMILIES)}) can be used. {GET_ONE}"
            )
        return cls(**vars(FAMILIES[name](parts)), path=place, parts=parts)

    @property
    def components(self) -> tuple[str, ...]:
        """Names of the components that are there."""
        return tuple(self.parts)

    @property
    def stg_block(self) -> int:
        """Default block of spatio-temporal guidance: 28 of 48, as the version has it, or that share."""
        block, depth = STG_SHARES.get(self.version, DEFAULT_STG_SHARE)
        return block * self.blocks // depth

    @property
    def context_components(self) -> tuple[str, ...]:
        """Components between stored text features and the transformer."""
        return CONTEXT_COMPONENTS[self.family]

    def part(self, component: str) -> Component:
        """One component.

        Raises:
            ModelError: when the model has none of this name.
        """
        if component not in self.parts:
            option = next((name for name, held in FOUND_IN_FILES.items() if component in held), None)
            advice = f"Name it as model.{option}. " if option and not self.path.is_dir() else ""
            raise ModelError(
                f"the model in {self.path} has no {component}/; found {', '.join(self.parts)}. {advice}"
                f"{GET_ONE}"
            )
        return self.parts[component]

    def fingerprint(self, *components: str) -> str:
        """Digest of the weights and configs of `components`, of all of them when none is named."""
        # A schedule of the model's own decides its samples; LTX-2's is the same for all.
        sampling = () if self.schedule == Schedule() else ("scheduler",)
        names = components or tuple(sorted({*COMPONENTS, "audio_processor", *sampling}))
        try:
            return digest(
                {name: self.parts[name].identify() if name in self.parts else "absent" for name in names}
            )
        except OSError as error:
            raise ModelError(
                f"the model in {self.path} cannot be read ({error}); make its files readable"
            ) from error

    def config(self, component: str) -> dict[str, Any]:
        """The JSON config of a component.

        Raises:
            ModelError: when it is missing or no JSON object.
        """
        return self.part(component).config

    def require(self, *components: str) -> None:
        """Check that `components` are there with their config and weights.

        Raises:
            ModelError: naming what is missing.
        """
        for name in components:
            part = self.part(name)
            if name not in WEIGHTLESS and not part.weights:
                raise ModelError(
                    f"{part.place} holds no weights (*.safetensors); found {listing(part.place)}. {GET_ONE}"
                )
