"""The config: one YAML for the whole pipeline, the sum of what the rooms declare."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, field_validator

from ltx_core.conditions.base import Modality
from ltx_core.config.sections import (
    DataSection,
    DatasetSection,
    EngineSection,
    FlowMatchingSection,
    HubSection,
    ModelSection,
    Section,
    ValidationSection,
    WandbSection,
)
from ltx_core.models.options import LoraOptions
from ltx_core.modes import AudioStream, Strategy, VideoStream
from ltx_core.training.options import AccelerationOptions, CheckpointOptions, OptimizationOptions

OWN: Mapping[Modality, str] = {"video": "latents", "audio": "audio_latents"}
"""Column of a modality's own latents."""
EXTRA: Mapping[Modality, frozenset[str]] = {
    "video": frozenset({"reference_latents", "video_masks"}),
    "audio": frozenset({"reference_audio_latents", "audio_masks"}),
}
"""Columns that stages make for a modality's conditions."""


class Config(Section):
    """Everything that a run depends on."""

    name: str = Field(default="run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    workspace: Path = Path("workspace")
    output_dir: Path | None = None
    seed: int = 42
    model: ModelSection = ModelSection()
    lora: LoraOptions = LoraOptions()
    training_strategy: Strategy = Strategy(video=VideoStream(), audio=AudioStream())
    optimization: OptimizationOptions = OptimizationOptions()
    acceleration: AccelerationOptions = AccelerationOptions()
    flow_matching: FlowMatchingSection = FlowMatchingSection()
    dataset: DatasetSection = DatasetSection()
    data: DataSection = DataSection()
    validation: ValidationSection = ValidationSection()
    checkpoints: CheckpointOptions = CheckpointOptions()
    hub: HubSection = HubSection()
    wandb: WandbSection = WandbSection()
    engine: EngineSection = EngineSection()

    @field_validator("training_strategy")
    @classmethod
    def _columns_that_stages_make(cls, value: Strategy) -> Strategy:
        for modality, stream in value.streams.items():
            reads = [(name, EXTRA[modality]) for c in stream.conditions for name in c.columns]
            for name, known in [(stream.latents_dir, frozenset({OWN[modality]})), *reads]:
                if name not in known:
                    raise ValueError(
                        f"{modality} reads the column {name!r}, which no stage makes for {modality}; "
                        f"{'use ' + ', '.join(sorted(known)) if known else 'remove the condition'}"
                    )
        return value

    @property
    def store_root(self) -> Path:
        """Folder of the store."""
        return self.workspace / "store"

    @property
    def runs_root(self) -> Path:
        """Folder of the runs."""
        return self.output_dir if self.output_dir is not None else self.workspace / "runs"
