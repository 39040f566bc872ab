"""One model tried from end to end: load, encode, a training step, a sample, export, reload.

Every step is the product's own code, as the stages call it. A step that the product refuses gives the
refusal's words; anything else that goes wrong is a failure of the test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ltx_core.assemble import Batch, Scales, assemble
from ltx_core.diffusion.levels import schedule
from ltx_core.errors import LtxError
from ltx_core.geometry.grid import VideoGrid
from ltx_core.models.codecs import AudioCodec, VideoCodec
from ltx_core.models.families import family_of
from ltx_core.models.info import ModelInfo
from ltx_core.models.loading import quiet
from ltx_core.models.lora.adapters import add_lora, load_lora, save_lora
from ltx_core.models.options import LoraOptions
from ltx_core.models.places import apart
from ltx_core.models.velocity import Velocity
from ltx_core.modes import AudioStream, Strategy, VideoStream
from ltx_core.sampling.decode import decode_audio, decode_video
from ltx_core.sampling.guidance import Guidance
from ltx_core.sampling.predictor import Predictor
from ltx_core.sampling.sampler import sample, start_noise
from ltx_core.training.draws import Draws
from ltx_core.training.step import Prepared, StepOptions, prepare, training_step
from zoo.folders import FRAMES, SIDE, pipeline_class

FPS, CAPTION = 8.0, "a red ball rolls to the left, low hum"
LORA = LoraOptions(rank=4, alpha=8.0, target_modules=("to_q", "to_v"))
OK, NOT_REACHED = "ok", "–"
FOUND_AS = {"0.9.6": "0.9.5", "0.9.8": "0.9.7"}
"""Versions that differ from another in nothing but their weights, so that no file tells them apart."""


@dataclass(frozen=True)
class Place:
    """Where a model lies, as a config's `model` section states it.

    Attributes:
        path: `model_path`.
        apart: options of `places.HELD`, for parts that lie elsewhere.
    """

    path: Path
    apart: Mapping[str, Path] = field(default_factory=dict)


class Trial:
    """A model and what has become of it so far."""

    def __init__(self, place: Place, version: str, work: Path) -> None:
        self.place, self.version, self.work = place, version, work
        self.latents: dict[str, Tensor] = {}
        self.features: dict[str, dict[str, Tensor]] = {}
        self.learnt: dict[str, Tensor] = {}

    @cached_property
    def info(self) -> ModelInfo:
        return ModelInfo.read(self.place.path, apart(self.place.apart))

    @cached_property
    def modalities(self) -> tuple[str, ...]:
        return ("video",) if self.info.audio_scale is None else ("video", "audio")

    @cached_property
    def strategy(self) -> Strategy:
        return Strategy(video=VideoStream(), audio=AudioStream() if "audio" in self.modalities else None)

    @cached_property
    def velocity(self) -> Velocity:
        """The base transformer, to which the training step adds its adapters."""
        return self.open_velocity()

    def open_velocity(self) -> Velocity:
        family = family_of(self.info)
        model = family.load_transformer(self.info, "cpu", torch.float32, self.modalities)
        return Velocity(model, forward=family.forward)

    @cached_property
    def prepared(self) -> Prepared:
        """One clip, noised."""
        batch = Batch(("clip",), self.latents["video"], self.latents.get("audio"), fps=torch.tensor([FPS]))
        scales = Scales(self.info.video_scale, self.info.audio_scale)
        return prepare(
            batch,
            ("clip",),
            Draws(0, 1),
            lambda one, coins: assemble(self.strategy, one, scales, coins),
            StepOptions(),
        )

    @cached_property
    def connectors(self) -> Any:
        family = family_of(self.info)
        return family.load_connectors(self.info, "cpu", torch.float32, self.modalities)

    def contexts(self, captions: tuple[str | None, ...]) -> dict[Any, Tensor]:
        """Of the one caption, or of the empty one."""
        features = [self.features["" if caption is None else CAPTION] for caption in captions]
        return {name: self.connectors.context(features, name) for name in self.modalities}

    @cached_property
    def video(self) -> VideoCodec:
        return family_of(self.info).load_video_vae(self.info)

    @cached_property
    def audio(self) -> AudioCodec:
        return family_of(self.info).load_audio(self.info)

    @cached_property
    def text(self) -> Any:
        return family_of(self.info).load_text(self.info)

    def load(self) -> None:
        """The version is found out, and every part of the model is there with all its weights."""
        assert self.info.version == FOUND_AS.get(self.version, self.version)
        parts = [self.velocity.model, self.video.vae, self.text.encoder]
        if "audio" in self.modalities:
            parts += [self.audio.vae, self.audio.vocoder]
        connectors = getattr(self.connectors, "module", None)  # LTX-Video has none
        for part in (*parts, *(() if connectors is None else (connectors,))):
            assert all(value.device.type == "cpu" and value.isfinite().all() for value in part.parameters())
            assert not part.training and not any(value.requires_grad for value in part.parameters())

    def encode(self) -> None:
        """Video, sound where the model has it, and text."""
        draw = torch.Generator().manual_seed(0)
        pixels = torch.rand(1, 3, FRAMES, SIDE, SIDE, generator=draw) * 2 - 1
        self.latents["video"] = self.video.encode(pixels)
        cells = (2, SIDE // 32, SIDE // 32)
        assert self.latents["video"].shape == (1, self.info.video_channels, *cells)
        if self.info.mel is not None:
            seconds, rate = FRAMES / FPS, self.info.mel.sample_rate
            wave = torch.randn(1, 2, round(seconds * rate), generator=draw) / 10
            self.latents["audio"] = self.audio.encode(wave)
            assert abs(self.latents["audio"].shape[2] - 25 * seconds) < 2
        self.features = {caption: dict(self.text.encode(caption).tensors) for caption in (CAPTION, "")}
        everything = [
            *self.latents.values(),
            *(one for found in self.features.values() for one in found.values()),
        ]
        assert all(found.isfinite().all() and found.float().std() > 1e-3 for found in everything)

    def train(self) -> None:
        """One step of a LoRA: every adapter of what runs gets a gradient."""
        parameters = add_lora(self.velocity.model, LORA, 0, self.modalities)
        optimizer = torch.optim.AdamW(parameters, 1e-2)
        losses = []
        for _ in range(2):
            found = training_step(self.prepared, self.velocity, self.contexts, StepOptions())
            found.total.backward()
            losses.append(found.total.item())
            optimizer.step()
            assert all(one.grad is not None and one.grad.isfinite().all() for one in parameters)
            optimizer.zero_grad()
        assert math.isfinite(losses[0]) and losses[1] != losses[0]
        assert sum(not bool((one == 0).all()) for one in parameters) == len(parameters)
        self.learnt = self.predicted(self.velocity)

    @torch.no_grad()
    def predicted(self, velocity: Velocity, **guides: Any) -> dict[str, Tensor]:
        """Velocities of the noised clip."""
        given = self.prepared
        texts = self.contexts(given.captions)
        return dict(velocity(given.tracks, given.inputs, given.timesteps, given.levels, texts, **guides))

    def sample(self) -> None:
        """Two steps with every kind of guidance, decoded."""
        tracks = dict(self.prepared.tracks)
        predictor = Predictor(
            self.velocity, self.contexts(("clip",)), self.contexts((None,)), (self.info.stg_block,)
        )
        for guided in self.guided():
            assert all(not torch.equal(guided[name], plain) for name, plain in self.learnt.items())
        guide = Guidance(cfg=3.0, stg=1.0, modality=3.0, rescale=0.7)
        noise = start_noise(tracks, [0])
        tokens = sample(predictor, tracks, noise, schedule(2), dict.fromkeys(tracks, guide))
        grid = VideoGrid(2, SIDE // 32, SIDE // 32, self.info.video_scale, FPS)
        frames = decode_video(self.video, tokens["video"], grid)
        assert frames.shape == (1, FRAMES, SIDE, SIDE, 3) and frames.std() > 0
        if "audio" in tokens:
            waves, rate = decode_audio(self.audio, tokens["audio"], FRAMES / FPS)
            assert waves.shape == (1, 2, round(FRAMES / FPS * rate)) and rate == self.info.wave_rate

    def guided(self) -> list[dict[str, Tensor]]:
        """Velocities without a self attention, and where there are two modalities each without the other."""
        found = [self.predicted(self.velocity, stg_blocks=(self.info.stg_block,))]
        if "audio" in self.modalities:
            found.append(self.predicted(self.velocity, cross_attention=False))
        return found

    @property
    def numbers(self) -> dict[str, Tensor]:
        """All that was computed, by name: latents, features, velocities."""
        texts = {f"{text} {name}": x for text, found in self.features.items() for name, x in found.items()}
        return {**self.latents, **texts, **{f"{name} velocity": x for name, x in self.learnt.items()}}

    @property
    def product(self) -> Path:
        return self.work / "lora.safetensors"

    def export(self) -> None:
        """The LoRA's file, as the publish stage writes it."""
        save_lora(self.product, self.velocity.model, {"base_family": self.info.family}, torch.float32)

    def reload(self) -> None:
        """By this project and by the library's pipeline class: the same velocities as of what was trained."""
        own = self.open_velocity()
        load_lora(own.model, self.product)
        self.check(own)
        theirs = self.open_velocity()
        pipeline = pipeline_class(self.info.family, self.info.version)
        with quiet():
            state = pipeline.lora_state_dict(self.work, weight_name=self.product.name)
            theirs.model.load_lora_adapter(state, prefix="transformer")
        self.check(theirs)

    def check(self, velocity: Velocity) -> None:
        found = self.predicted(velocity)
        assert found.keys() == self.learnt.keys()
        for name, wanted in self.learnt.items():
            torch.testing.assert_close(found[name], wanted, atol=1e-5, rtol=1e-5)


CELLS: Mapping[str, Callable[[Trial], None]] = {
    "load": Trial.load,
    "encode": Trial.encode,
    "train step": Trial.train,
    "sample": Trial.sample,
    "export": Trial.export,
    "reload": Trial.reload,
}
"""Columns of the table, in the order in which they are tried."""


def tried(trial: Trial) -> dict[str, str]:
    """What came of each cell: `OK`, a refusal's words, or `NOT_REACHED` after a refusal."""
    trial.work.mkdir(parents=True)
    found: dict[str, str] = {}
    for name, step in CELLS.items():
        if any(result != OK for result in found.values()):
            found[name] = NOT_REACHED
            continue
        try:
            step(trial)
            found[name] = OK
        except LtxError as error:
            found[name] = str(error)
    return found
