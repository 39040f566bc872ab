"""The config: one YAML for the whole pipeline, the sum of what the rooms declare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import Field, ValidationInfo, field_validator

from ltx_core.conditions.base import Modality
from ltx_core.config.dataset_section import DatasetSection
from ltx_core.config.hub_section import HubSection
from ltx_core.config.kind_uses import fetch_kinds
from ltx_core.config.section import Section
from ltx_core.config.sections import (
    DataSection,
    EngineSection,
    FlowMatchingSection,
    ModelSection,
    ValidationSection,
)
from ltx_core.models.options import LoraOptions
from ltx_core.modes import OWN, AudioStream, Strategy, VideoStream
from ltx_core.training.options import AccelerationOptions, CheckpointOptions, OptimizationOptions
from ltx_core.training.tracker_options import TrackioOptions, WandbOptions

EXTRA: Mapping[Modality, frozenset[str]] = {
    "video": frozenset({"reference_latents", "video_masks"}),
    "audio": frozenset({"reference_audio_latents", "audio_masks"}),
}
"""Columns that stages make for a modality's conditions."""
TEXT_COLUMN = "conditions"
"""The seeds' name for the column of text embeddings."""


class Config(Section):
    """Everything that a run depends on."""

    name: str = Field(default="run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    workspace: Path = Path("workspace")
    output_dir: Path | None = None
    seed: int = 42
    model: ModelSection = ModelSection()
    lora: LoraOptions = LoraOptions()
    data: DataSection = DataSection()  # before the strategy, whose columns it may name
    dataset: DatasetSection = DatasetSection()  # likewise
    training_strategy: Strategy = Strategy(video=VideoStream(), audio=AudioStream())
    optimization: OptimizationOptions = OptimizationOptions()
    acceleration: AccelerationOptions = AccelerationOptions()
    flow_matching: FlowMatchingSection = FlowMatchingSection()
    validation: ValidationSection = ValidationSection()
    checkpoints: CheckpointOptions = CheckpointOptions()
    hub: HubSection = HubSection()
    wandb: WandbOptions = WandbOptions()
    trackio: TrackioOptions = TrackioOptions()
    tensorboard: bool = True
    engine: EngineSection = EngineSection()

    @field_validator("lora", mode="before")
    @classmethod
    def _no_lora(cls, value: Any) -> Any:
        """A config of full training may say `lora: null`."""
        return {} if value is None else value

    @field_validator("dataset")
    @classmethod
    def _columns_of_their_own(cls, value: DatasetSection) -> DatasetSection:
        taken = {TEXT_COLUMN, *OWN.values(), *(name for names in EXTRA.values() for name in names)}
        for name in value.extra_references:
            if name in taken:
                raise ValueError(
                    f"extra_references.{name}: the column {name} is made already; use another name, as "
                    "depth_latents"
                )
        return value

    @field_validator("training_strategy")
    @classmethod
    def _columns_that_stages_make(cls, value: Strategy, info: ValidationInfo) -> Strategy:
        data: DataSection | None = info.data.get("data")
        if data is None or data.preprocessed_data_root is not None:
            return _folders(value)
        dataset: DatasetSection | None = info.data.get("dataset")
        if dataset is None:  # refused itself
            return value
        for modality, stream in value.streams.items():
            reads = [
                (name, _made_for(dataset, modality, condition.attaches))
                for condition in stream.conditions
                for name in condition.columns
            ]
            for name, known in [(stream.latents_dir, frozenset({OWN[modality]})), *reads]:
                if name not in known:
                    raise ValueError(
                        f"{modality} reads the column {name!r}, which no stage makes for {modality}; "
                        f"{'use ' + ', '.join(sorted(known)) if known else 'remove the condition'}"
                    )
        return value

    def fetch(self, tell: Callable[[str], None]) -> None:
        """Download the models that are named by their repository and are not on this machine.

        Args:
            tell: is told before a download begins.

        Raises:
            ModelError: when one cannot be got, with what to do.
        """
        self.model.fetch(tell)
        fetch_kinds(self, tell)

    @property
    def store_root(self) -> Path:
        """Folder of the store."""
        return self.workspace / "store"

    @property
    def imported(self) -> bool:
        """Whether the samples are data that the public trainer prepared, instead of media."""
        return self.data.preprocessed_data_root is not None

    @property
    def runs_root(self) -> Path:
        """Folder of the runs."""
        return self.output_dir if self.output_dir is not None else self.workspace / "runs"


def _made_for(dataset: DatasetSection, modality: Modality, attaches: bool) -> frozenset[str]:
    """Columns for a modality's attaching conditions (references), or for its holding ones (masks)."""
    own = {name for name in EXTRA[modality] if name.endswith("_masks") is not attaches}
    further = dataset.extra_references if modality == "video" and attaches else ()
    return frozenset((*own, *further))


def _folders(strategy: Strategy) -> Strategy:
    """Check the columns of imported data, which are folders of any name inside one."""
    for name in strategy.columns:
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or name.startswith("/") or name == TEXT_COLUMN:
            raise ValueError(
                f"the mode reads the column {name!r}, which cannot be a folder of "
                f"`data.preprocessed_data_root`; name one inside it, as latents or my_masks "
                f"({TEXT_COLUMN} is that of the captions)"
            )
    return strategy
