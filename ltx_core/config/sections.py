"""Sections of the config that no other room declares; names and defaults are the public LTX-2 trainer's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ltx_core.config.samples import SampleSection
from ltx_core.config.section import Section
from ltx_core.config.sources import downloaded, is_place_of, named
from ltx_core.diffusion.options import LevelMode, LevelParams
from ltx_core.models.hub import fetch, is_hub_id
from ltx_core.models.info import ModelInfo
from ltx_core.models.places import HELD, apart
from ltx_core.training.judge_options import Metric

DEFAULT_NEGATIVE_PROMPT = "worst quality, inconsistent motion, blurry, jittery, distorted"


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
    """Weights to train on from, of the same `training_mode`: a file, the folder of a run or a checkpoint that
    holds `lora.safetensors` or `transformer/`, or `latest`: the newest of the other runs of this name."""

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


MEASURING = frozenset(
    {"heldout_interval", "heldout_clips", "heldout_levels_per_clip", "best_metric", "early_stopping"}
)
"""Fields of `validation` that say how a training measures itself; no sample and no report depends on them."""


class EarlyStopping(Section):
    """When a training ends before its last step."""

    patience: Annotated[int, Field(ge=1)] = 5
    """Evaluations in a row without a gain."""
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    """What the held-out loss must fall by to count as a gain."""


class ValidationSection(Section):
    """Samples and held-out loss, during and after training."""

    samples: tuple[SampleSection, ...] = ()
    heldout_samples: Annotated[int, Field(ge=0)] = 4
    """Held-out clips whose captions (and references) are sampled where `samples` is empty."""
    heldout_levels: Annotated[int, Field(ge=1)] = 8
    heldout_interval: Annotated[int, Field(gt=0)] | None = None
    """Steps between evaluations of the held-out loss in a training; None: `interval`, that of the samples."""
    heldout_clips: Annotated[int, Field(ge=1)] = 8
    """Held-out clips that are measured in a training, and as many training clips; the report has them all."""
    heldout_levels_per_clip: Annotated[int, Field(ge=1)] | None = None
    """Levels at which each of them is measured; None: as few as give every level a clip."""
    best_metric: Metric = "weighted"
    """What is lowest at the best step: held-out loss of all modalities by their loss weights, or of one."""
    early_stopping: EarlyStopping | None = None
    """End the training when the held-out loss does not fall any more; None: it does all steps."""
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

    @property
    def every(self) -> int | None:
        """Steps between evaluations of the held-out loss; None: before and after the training alone."""
        return self.interval if self.heldout_interval is None else self.heldout_interval


class EngineSection(Section):
    """How the work is cut and run."""

    chunk_rows: Annotated[int, Field(ge=1)] = 64
    """Rows of one part: what one task computes."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """CPU threads of the model libraries; None: all cores, divided among the workers."""
    workers: Annotated[int, Field(ge=1)] = 1
    """Processes that prepare data side by side; each loads the models that it uses onto the GPU."""
    resumes: Annotated[int, Field(ge=0)] = 3
    """How often a run goes on with a training that was stopped from outside (a preempted machine, `kill`) and
    has saved its state; 0: the run ends then."""
