"""Sections of the config that no other room declares; names and defaults are the public LTX-2 trainer's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ltx_core.config.samples import SampleSection
from ltx_core.curation.buckets import Bucket
from ltx_core.curation.options import CaptionOptions, MaskOptions, ReferenceOptions, SceneOptions
from ltx_core.diffusion.options import LevelMode, LevelParams

DEFAULT_NEGATIVE_PROMPT = "worst quality, inconsistent motion, blurry, jittery, distorted"


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class ModelSection(Section):
    """The base model and what of it is trained."""

    model_path: Path = Path("data/model")
    text_encoder_path: Path | None = None
    training_mode: Literal["lora", "full"] = "lora"
    load_checkpoint: Path | None = None
    """A LoRA to train on from: its file, or a folder (a run, a checkpoint) that holds `lora.safetensors`."""

    @field_validator("text_encoder_path")
    @classmethod
    def _within_the_model(cls, value: Path | None) -> Path | None:
        if value is not None:
            raise ValueError(
                "a text encoder of its own folder is not there yet; leave `text_encoder_path` out and put or "
                "link the encoder and its tokenizer into the model as `text_encoder/` and `tokenizer/`"
            )
        return value

    @field_validator("training_mode")
    @classmethod
    def _lora_only(cls, value: str) -> str:
        if value == "full":
            raise ValueError("full fine-tuning is not there yet; use `training_mode: lora`")
        return value


class AudioSection(Section):
    """How clips without sound are treated."""

    missing: Literal["mask", "drop", "zeros"] = "mask"
    silent_below: Annotated[float, Field(le=0)] = -60.0
    """dBFS RMS below which a clip counts as silent."""


class HoldoutSection(Section):
    """The held-out split: by source, so that clips of one source never straddle."""

    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    seed: int = 0


class DatasetSection(Section):
    """From media files to rows."""

    source: Path = Path("data/footage")
    buckets: tuple[Bucket, ...] = (Bucket(768, 448, 89),)
    fps: Annotated[float, Field(gt=0)] = 24.0
    trigger: str = ""
    scenes: SceneOptions = SceneOptions()
    captions: CaptionOptions = CaptionOptions()
    references: ReferenceOptions = ReferenceOptions()
    masks: MaskOptions = MaskOptions()
    mask_threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    audio: AudioSection = AudioSection()
    holdout: HoldoutSection = HoldoutSection()
    latents_dtype: Literal["bfloat16", "float32"] = "bfloat16"
    max_rejected_fraction: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of sources and clips that may be set aside; scenes shorter than every bucket do not count."""

    @field_validator("buckets", mode="before")
    @classmethod
    def _parse_buckets(cls, value: Any) -> Any:
        texts = value.split(";") if isinstance(value, str) else value
        if not texts:
            raise ValueError("no bucket; give at least one, as 768x448x89 (width x height x frames)")
        return [Bucket.parse(text) if isinstance(text, str) else text for text in texts]


class DataSection(Section):
    """Reading the dataset while training."""

    preprocessed_data_root: Path | None = None
    num_dataloader_workers: Annotated[int, Field(ge=0)] = 2
    """Steps that are read ahead, in one thread; 0 reads each when needed. Results do not depend on it."""

    @field_validator("preprocessed_data_root")
    @classmethod
    def _not_yet(cls, value: Path | None) -> Path | None:
        if value is not None:
            raise ValueError(
                "data prepared by another tool cannot be read yet; leave `preprocessed_data_root` out and "
                "give the media as `dataset.source`"
            )
        return value


class FlowMatchingSection(Section):
    """The distribution of noise levels in training."""

    timestep_sampling_mode: LevelMode = "shifted_logit_normal"
    timestep_sampling_params: LevelParams = LevelParams()
    shared_sigma: bool = False


class ValidationSection(Section):
    """Samples and held-out loss, during and after training."""

    samples: tuple[SampleSection, ...] = ()
    heldout_samples: Annotated[int, Field(ge=0)] = 4
    """Held-out clips whose captions (and references) are sampled where `samples` is empty."""
    heldout_levels: Annotated[int, Field(ge=1)] = 8
    influence_clips: Annotated[int, Field(ge=0)] = 8
    """Held-out clips on which the influence of a reference is measured."""
    negative_prompt: str = DEFAULT_NEGATIVE_PROMPT
    video_dims: tuple[int, int, int] = (960, 544, 89)
    """Width, height, frames of `samples` that state none; held-out clips are sampled at their own size."""
    frame_rate: Annotated[float, Field(gt=0)] = 24.0
    seed: int = 42
    inference_steps: Annotated[int, Field(ge=2)] = 30
    interval: Annotated[int, Field(gt=0)] | None = 100
    video_cfg_scale: Annotated[float, Field(ge=1)] = 3.0
    audio_cfg_scale: Annotated[float, Field(ge=1)] = 7.0
    video_stg_scale: Annotated[float, Field(ge=0)] = 1.0
    audio_stg_scale: Annotated[float, Field(ge=0)] = 1.0
    stg_blocks: tuple[int, ...] | None = None
    """None: the block at the depth share of LTX-2's own default."""
    guidance_rescale: Annotated[float, Field(ge=0, le=1)] = 0.7
    video_modality_guidance_scale: Annotated[float, Field(ge=1)] = 3.0
    audio_modality_guidance_scale: Annotated[float, Field(ge=1)] = 3.0
    generate_video: bool | None = None
    """Whether samples have video; None: where the mode has it."""
    generate_audio: bool | None = None
    """Whether samples have sound, trained or not; None: where the mode has it."""
    skip_initial_validation: bool = False
    """No samples before the first step."""


class HubSection(Section):
    """Upload to a model hub after training."""

    push_to_hub: bool = False
    hub_model_id: str | None = None

    @field_validator("push_to_hub")
    @classmethod
    def _not_yet(cls, value: bool) -> bool:
        if value:
            raise ValueError("uploading is not there yet; the published folder can be uploaded as it is")
        return value


class WandbSection(Section):
    """Weights & Biases logging."""

    enabled: bool = False
    project: str = "ltxv-trainer"
    entity: str | None = None
    tags: tuple[str, ...] = ()
    log_validation_videos: bool = True

    @field_validator("enabled")
    @classmethod
    def _not_yet(cls, value: bool) -> bool:
        if value:
            raise ValueError(
                "W&B logging is not there yet; TensorBoard events and metrics.parquet are written"
            )
        return value


class EngineSection(Section):
    """How the work is cut and run."""

    chunk_rows: Annotated[int, Field(ge=1)] = 64
    """Rows of one part: what one task computes."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """CPU threads of the model libraries; None: all cores."""
