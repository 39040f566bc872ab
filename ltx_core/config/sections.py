"""Sections of the config that no other room declares; names and defaults are the public LTX-2 trainer's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ltx_core.config.reference_options import checked_extra, checked_kind
from ltx_core.config.samples import SampleSection
from ltx_core.config.sources import downloaded, is_place_of, named
from ltx_core.curation.buckets import Bucket
from ltx_core.curation.options.captions import CaptionOptions
from ltx_core.curation.options.masks import AudioMaskOptions, MaskOptions
from ltx_core.curation.options.references import AudioReferenceOptions, ReferenceOptions
from ltx_core.curation.options.scenes import SceneOptions
from ltx_core.diffusion.options import LevelMode, LevelParams
from ltx_core.models.hub import fetch, is_hub_id
from ltx_core.models.info import ModelInfo
from ltx_core.models.places import HELD, apart

DEFAULT_NEGATIVE_PROMPT = "worst quality, inconsistent motion, blurry, jittery, distorted"


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class ModelSection(Section):
    """The base model and what of it is trained."""

    model_path: Path = Path("data/model")
    """A folder, a file, or a repository's name in the hub (`models.layouts`)."""
    model_source: str | None = None
    """A version of LTX-Video or a hub's repository, for which `model_path` is not stated."""
    text_encoder_path: Path | None = None
    """Folder of the text encoder and its tokenizer, or the packed file of both, where the model's own shall
    not be used."""
    video_vae_path: Path | None = None
    """Folder or file of the video VAE, likewise."""
    audio_vae_path: Path | None = None
    """Folder or file of the audio VAE, likewise; a vocoder beside or in it is taken too."""
    training_mode: Literal["lora", "full"] = "lora"
    """`full`: every weight of the transformer's modalities that the mode has learns; `lora` is not read."""
    load_checkpoint: Path | None = None
    """Weights to train on from, of the same `training_mode`: a file, or the folder of a run or a checkpoint
    that holds `lora.safetensors` or `transformer/`."""

    def fetch(self, tell: Callable[[str], None]) -> None:
        """Download what the config names by its repository and is not on this machine.

        Args:
            tell: is told before a download begins.

        Raises:
            ModelError: when it cannot be got, with what to do.
        """
        source, place = self.model_source, self.model_path
        names = [str(place)] if is_hub_id(place) else []
        if source is not None and not place.exists() and is_place_of(place, source):
            names = named(source)
        for name in names:
            fetch(name, tell)

    def read(self) -> ModelInfo:
        """Facts of the model, its components where they lie.

        Raises:
            LtxError: when the model or a component is not there, or cannot be used.
        """
        place, options = self.model_path, {name: getattr(self, name) for name in HELD}
        source = self.model_source
        if source is not None and not place.exists() and is_place_of(place, source):
            place, text = downloaded(source)
            options["text_encoder_path"] = options["text_encoder_path"] or text
        return ModelInfo.read(place, apart(options))


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
    duration_buckets: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] | None = None
    """Seconds of a clip in a mode without video; None: those of `buckets` (frames / fps)."""
    trigger: str = ""
    scenes: SceneOptions = SceneOptions()
    captions: CaptionOptions = CaptionOptions()
    references: ReferenceOptions = ReferenceOptions()
    extra_references: dict[str, ReferenceOptions] = Field(default_factory=dict)
    """Further references by the column that they fill, for further `reference` conditions."""
    masks: MaskOptions = MaskOptions()
    audio_references: AudioReferenceOptions = AudioReferenceOptions()
    audio_masks: AudioMaskOptions = AudioMaskOptions()
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
        if not texts or not isinstance(texts, list | tuple):
            raise ValueError("no bucket; give at least one, as [768x448x89] (width x height x frames)")
        return [Bucket.parse(text) if isinstance(text, str) else text for text in texts]

    @field_validator("references", mode="before")
    @classmethod
    def _kind_that_can_be_made(cls, value: Any) -> Any:
        return checked_kind(value)

    @field_validator("extra_references", mode="before")
    @classmethod
    def _stated_references(cls, value: Any) -> Any:
        return checked_extra(value)

    @field_validator("duration_buckets", mode="after")
    @classmethod
    def _some_durations(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and not value:
            raise ValueError(
                "no duration; give at least one in seconds, as [1.125, 5.0], or leave it out for those of "
                "`buckets`"
            )
        return value

    @property
    def durations(self) -> tuple[float, ...]:
        """Seconds of the clips of a mode without video."""
        if self.duration_buckets is not None:
            return tuple(sorted(set(self.duration_buckets)))
        films = [bucket for bucket in self.buckets if bucket.frames > 1] or self.buckets
        return tuple(sorted({bucket.seconds(self.fps) for bucket in films}))


class DataSection(Section):
    """Reading the dataset while training."""

    preprocessed_data_root: Path | None = None
    """Data prepared by the public trainer, which is trained on instead of `dataset.source`: its
    `.precomputed` folder, or the folder that holds it."""
    num_dataloader_workers: Annotated[int, Field(ge=0)] = 2
    """Steps that are read ahead, in one thread; 0 reads each when needed. Results do not depend on it."""


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
    inference_steps: Annotated[int, Field(ge=1)] = 30
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
    video_decoder: Literal["vae", "diffusion"] | None = None
    """What shows samples: the autoencoder's decoder or, in LTX-2.5, the finer and slower diffusion decoder;
    None: the autoencoder's where it has one."""


class HubSection(Section):
    """Upload to a model hub after training."""

    push_to_hub: bool = False
    """Not done by a run; the preflight says how."""
    hub_model_id: str | None = None


class WandbSection(Section):
    """Weights & Biases logging."""

    enabled: bool = False
    """Not done; the preflight says what is written instead."""
    project: str = "ltxv-trainer"
    entity: str | None = None
    tags: tuple[str, ...] = ()
    log_validation_videos: bool = True


class EngineSection(Section):
    """How the work is cut and run."""

    chunk_rows: Annotated[int, Field(ge=1)] = 64
    """Rows of one part: what one task computes."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """CPU threads of the model libraries; None: all cores."""
