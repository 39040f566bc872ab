"""A captioner in this process: some clips in, their captions out, greedily.

Design choices
- The language tower may be quantised as a text encoder is; what sees and hears stays exact.
- Clips of one call are padded on the left and answered together. Answers are drawn greedily, so that they
  are a function of the clip; sums of another batch may still round differently, as in any batched model.
- Sound is a part of its own behind the video, as the servers take it; steps of a video bear their seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ltx_core.models.captioner.kinds import Kind, kind_of_folder, read_json
from ltx_core.models.captioner.pixels import PixelOptions, chosen_frames, patches
from ltx_core.models.captioner.prompt import Marks, question
from ltx_core.models.errors import ModelError
from ltx_core.models.loading import first_line, quiet
from ltx_core.models.quantise.layers import quantise
from ltx_core.models.quantise.methods import SKIP_TEXT, Method

SOUND_RATE = 16000
SKIP = (*SKIP_TEXT, "*visual*", "*audio_tower*", "*gate")
"""Layers that stay exact: what sees and hears, and what steers."""


@dataclass(frozen=True)
class Scene:
    """What is asked about.

    Attributes:
        frames: uint8 `[F, H, W, 3]`, or None.
        fps: frames per second.
        sound: mono float32 `[S]` at 16 kHz, or None.
        prompt: the question.
    """

    frames: NDArray[np.uint8] | None
    fps: float
    sound: NDArray[np.float32] | None
    prompt: str


@dataclass(frozen=True)
class Said:
    """An answer, the tokens of question and answer, and whether it ended where the tokens ended."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    cut: bool


@dataclass(frozen=True)
class CaptionModel:
    """A loaded model with what prepares its input."""

    kind: Kind
    model: Any
    tokenizer: Any
    marks: Marks
    pixels: PixelOptions
    ears: Any
    device: torch.device

    @property
    def hears(self) -> bool:
        """Whether it takes sound."""
        return self.kind.sound is not None

    @torch.inference_mode()
    def captions(
        self, scenes: Sequence[Scene], max_tokens: int, sample_fps: float, **further: Any
    ) -> list[Said]:
        """Answers to some questions at once.

        Args:
            scenes: with frames, or with sound where the model hears, or both.
            max_tokens: of an answer.
            sample_fps: frames per second that are looked at.
            further: arguments of transformers' `generate`.

        Raises:
            ModelError: when there is nothing to see or hear, or `generate` does not know an argument.
        """
        prepared = [self._prepared(scene, sample_fps) for scene in scenes]
        inputs = self._batch(prepared)
        length = inputs["input_ids"].shape[1]
        stop = sorted({self.marks.end, *_numbers(self.model.generation_config.eos_token_id)})
        settings = {"do_sample": False, "max_new_tokens": max_tokens, "eos_token_id": stop, **further}
        try:
            with quiet():
                found = self.model.generate(**inputs, pad_token_id=self._padding, **settings)
        except (ValueError, TypeError) as error:
            raise ModelError(
                f"the captioner cannot answer: {first_line(error)}; mend dataset.captions.extra_body, which "
                "holds arguments of its `generate`"
            ) from error
        return [
            self._said(row[length:].tolist(), len(one["ids"]), stop, max_tokens)
            for row, one in zip(found, prepared, strict=True)
        ]

    def _said(self, numbers: list[int], asked: int, stop: list[int], max_tokens: int) -> Said:
        ends = [place for place, number in enumerate(numbers) if number in stop]
        answer = numbers[: ends[0]] if ends else numbers
        text = self.tokenizer.decode(answer, skip_special_tokens=True)
        return Said(text, asked, len(answer), cut=not ends and len(answer) >= max_tokens)

    @property
    def _padding(self) -> int:
        found = self.tokenizer.pad_token_id
        return self.marks.end if found is None else int(found)

    def _prepared(self, scene: Scene, sample_fps: float) -> dict[str, Any]:
        """Token numbers of one question, with the patches and the sound that some of them stand for."""
        found: dict[str, Any] = {}
        video_tokens = sound_tokens = 0
        if scene.frames is not None:
            numbers = chosen_frames(len(scene.frames), scene.fps, sample_fps, self.pixels.step)
            found["patches"], found["grid"] = patches(scene.frames[numbers], self.pixels)
            found["seconds"] = len(scene.frames) / scene.fps / len(numbers) * self.pixels.step
            video_tokens = int(np.prod(found["grid"])) // self.pixels.merge**2
        if scene.sound is not None and self.hears:
            found["sound"] = self._spectrogram(scene.sound)
            sound_tokens = self._sound_tokens(found["sound"].shape[1])
        if not video_tokens and not sound_tokens:
            raise ModelError(
                f"a {self.kind.model_types[0]} captioner has nothing to look at or to listen to; for sound "
                "alone use a Qwen2.5-Omni or Qwen3-Omni model"
            )
        ids = question(self.kind, self.tokenizer, self.marks, scene.prompt, video_tokens, sound_tokens)
        return {**found, "ids": ids}

    def _sound_tokens(self, frames: int) -> int:
        """Tokens of a sound of so many frames of its spectrogram."""
        if not self.kind.windowed:
            return ((frames - 1) // 2 + 1 - 2) // 2 + 1
        window = 2 * int(self.model.config.audio_config.n_window)
        rest = (frames % window - 1) // 2 + 1
        return ((rest - 1) // 2 + 1 - 1) // 2 + 1 + frames // window * _thrice_halved(window)

    def _batch(self, prepared: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Inputs of `generate`, padded on the left."""
        longest = max(len(one["ids"]) for one in prepared)
        ids = torch.full((len(prepared), longest), self._padding)
        mask = torch.zeros_like(ids)
        for row, one in enumerate(prepared):
            ids[row, longest - len(one["ids"]) :] = torch.tensor(one["ids"])
            mask[row, longest - len(one["ids"]) :] = 1
        inputs: dict[str, Tensor] = {"input_ids": ids, "attention_mask": mask}
        seen = [one for one in prepared if "patches" in one]
        if seen:
            inputs["pixel_values_videos"] = torch.from_numpy(np.concatenate([one["patches"] for one in seen]))
            inputs["video_grid_thw"] = torch.tensor([one["grid"] for one in seen])
            inputs[self.kind.seconds] = torch.tensor([one["seconds"] for one in seen])
        if self.kind.sound is None:  # the positions of Qwen2.5-VL are made from kinds of tokens: 2 is a video
            inputs["mm_token_type_ids"] = (ids == self.marks.vision[1]).int() * 2
        if sounds := [one["sound"] for one in prepared if "sound" in one]:
            inputs |= self._heard(sounds)
        return {name: tensor.to(self.device) for name, tensor in inputs.items()}

    def _spectrogram(self, sound: NDArray[np.float32]) -> Tensor:
        """`[bins, frames]` of one sound, without padding."""
        heard = self.ears(
            sound,
            sampling_rate=SOUND_RATE,
            padding=True,
            truncation=False,
            return_attention_mask=True,
            return_tensors="pt",
        )
        features: Tensor = heard["input_features"][0]
        return features[:, heard["attention_mask"][0].bool()]

    def _heard(self, sounds: Sequence[Tensor]) -> dict[str, Tensor]:
        """Spectrograms as one tensor, with a mask of what is sound."""
        longest = max(one.shape[1] for one in sounds)
        features = torch.zeros(len(sounds), sounds[0].shape[0], longest)
        mask = torch.zeros(len(sounds), longest, dtype=torch.long)
        for row, one in enumerate(sounds):
            features[row, :, : one.shape[1]], mask[row, : one.shape[1]] = one, 1
        dtype = next(self.model.parameters()).dtype
        return {"input_features": features.to(dtype), "feature_attention_mask": mask}


def _thrice_halved(length: int) -> int:
    for _ in range(3):
        length = (length - 1) // 2 + 1
    return length


def _numbers(value: int | Sequence[int] | None) -> list[int]:
    return [] if value is None else [value] if isinstance(value, int) else list(value)


def load_captioner(
    folder: Path, device: torch.device, dtype: torch.dtype, method: Method | None = None
) -> CaptionModel:
    """The model in a folder, frozen; its talker is left out.

    Args:
        folder: as `save_pretrained` writes it.
        device: where it runs.
        dtype: of its weights.
        method: how the language tower's weights are stored.

    Raises:
        ModelError: when the folder is not whole or holds another kind of model.
    """
    import transformers

    kind = kind_of_folder(folder)
    image = read_json(folder, "preprocessor_config.json", needed=False)
    video = read_json(folder, "video_preprocessor_config.json", needed=False)
    try:
        with quiet():
            architecture = getattr(transformers, kind.architecture)
            model, report = architecture.from_pretrained(
                folder, dtype=dtype, local_files_only=True, output_loading_info=True
            )
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            hears = transformers.WhisperFeatureExtractor
            ears = hears.from_pretrained(folder, local_files_only=True) if kind.sound is not None else None
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError) as error:
        raise ModelError(f"the captioner in {folder} cannot be loaded: {first_line(error)}") from error
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            f"the captioner in {folder} lacks {len(missing)} weights, such as {missing[0]}; get it again"
        )
    if method is not None:
        quantise(model, method, SKIP)
    model.eval().requires_grad_(False).to(device)
    marks = Marks.of(kind, tokenizer, model.config, str(folder))
    return CaptionModel(
        kind, model, tokenizer, marks, PixelOptions.of(image, video, kind.patch), ears, device
    )
