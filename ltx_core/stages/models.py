"""Models and frames that the stages of one process share: loaded on first use, one heavy model at a time.

On a GPU one of them is resident at a time. Asking for an encoder or an autoencoder lets go of the others and
puts an open transformer aside, onto the host; the transformer's next pass lets go of them and brings it back.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ltx_core.config.root import Config
from ltx_core.errors import LtxError
from ltx_core.media.audio import read_audio, time_origin
from ltx_core.media.decode import frame_times, read_frames
from ltx_core.media.errors import MediaError
from ltx_core.media.fit import decode_size, fit
from ltx_core.media.treatment import Treatment
from ltx_core.media.window import FrameWindow
from ltx_core.models.aside import Aside
from ltx_core.models.captioner.model import CaptionModel, load_captioner
from ltx_core.models.codecs import AudioCodec, VideoCodec
from ltx_core.models.diffusion_decoder import DiffusionDecoder
from ltx_core.models.families import family_of
from ltx_core.models.info import ModelInfo
from ltx_core.models.quantise.layers import Quantiser
from ltx_core.models.quantise.methods import SKIP_TEXT
from ltx_core.models.text import Captioned
from ltx_core.stages.clip import Clip
from ltx_core.training.options import NO_GPU

T = TypeVar("T")

FRAME_CACHE_BYTES = 512 << 20
"""Decoded frames kept for the stages that need the same clip: decode once."""


class Models:
    """The base model's parts."""

    def __init__(self, config: Config, info: ModelInfo) -> None:
        self.config = config
        self.info = info
        self._family = family_of(info)
        self._loaded: dict[str, Any] = {}
        self._transformer: Aside | None = None
        self._frames: OrderedDict[str, NDArray[np.uint8]] = OrderedDict()
        self._frames_lock = threading.Lock()
        if config.engine.threads is not None:
            torch.set_num_threads(config.engine.threads)

    @property
    def device(self) -> torch.device:
        """Where models run: the configured device, or CUDA where there is one.

        Raises:
            LtxError: when the configured one is not there.
        """
        wanted, gpu = self.config.acceleration.device, torch.cuda.is_available()
        if wanted == "cuda" and not gpu:
            raise LtxError(NO_GPU)
        return torch.device("cuda" if gpu and wanted != "cpu" else "cpu")

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the frozen weights."""
        mode = self.config.acceleration.precision
        return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(mode, torch.float32)

    def video(self) -> VideoCodec:
        """The video autoencoder, in pieces where the config says so or a clip is too large."""
        return self._get("video", self._video)

    def _video(self) -> VideoCodec:
        where, tiling = (self.info, self.device, self.dtype), self.config.acceleration.vae_tiling
        codec = replace(self._family.load_video_vae(*where), tiling=tiling)
        if codec.decoder is not None or self.config.validation.video_decoder == "diffusion":
            return replace(codec, decoder=DiffusionDecoder(*where, tiling))
        return codec

    def audio(self) -> AudioCodec:
        """The audio autoencoder and vocoder, in float32 as the reference runs them."""
        return self._get("audio", lambda: self._family.load_audio(self.info, self.device))

    def text(self) -> Captioned:
        """The text encoder, quantised where the config says so."""
        load, device, dtype = self._family.load_text, self.device, self.dtype
        quantiser = Quantiser.of(self.config.acceleration.text_method, SKIP_TEXT)
        return self._get("text", lambda: load(self.info, device, dtype, quantiser))

    def other(self, name: str, load: Callable[[torch.device], T]) -> T:
        """A model beside the base model, as one of depth.

        Args:
            name: says which one; equal names are one model.
            load: loads it onto a device.
        """
        return self._get(name, lambda: load(self.device))

    def captioner(self) -> CaptionModel:
        """The captioner that runs in this process; its language tower is quantised as the text encoder is."""
        place, method = Path(self.config.dataset.captions.model), self.config.acceleration.text_method
        return self._get("captioner", lambda: load_captioner(place, self.device, self.dtype, method))

    def release(self) -> None:
        """Let go of the loaded models, before a transformer takes a GPU's memory."""
        if self.device.type == "cuda":
            self._loaded.clear()
            torch.cuda.empty_cache()

    def opened(self, transformer: nn.Module) -> None:
        """Say that this transformer is on the device from now on; `wake` comes before its passes."""
        self._transformer = Aside(transformer)

    def wake(self) -> None:
        """Bring the open transformer back to the device, which it then has for itself."""
        if self._transformer is not None and self._transformer.waiting:
            self.release()
            self._transformer.wake()

    def frames(self, clip: Clip) -> NDArray[np.uint8]:
        """A clip's frames `[F, H, W, 3]` at its frame rate, fitted to its bucket.

        Raises:
            MediaError: when the source cannot be decoded.
            LtxError: when it was changed since the scan.
        """
        with self._frames_lock:
            if clip.pixels in self._frames:
                self._frames.move_to_end(clip.pixels)
                return self._frames[clip.pixels]
        window = FrameWindow(clip.start_s, clip.fps, clip.bucket.frames, clip.start, clip.end)
        indices = window.frames(frame_times(clip.path))
        frames = _fitted(clip, indices, self.config.dataset.treatment)
        clip.file.check()
        with self._frames_lock:
            self._frames[clip.pixels] = frames
            while sum(found.nbytes for found in self._frames.values()) > FRAME_CACHE_BYTES:
                self._frames.popitem(last=False)
        return frames

    def sound(self, clip: Clip, rate: int) -> NDArray[np.float32] | None:
        """A clip's sound `[2, S]` at `rate`, or None where its source has no audio stream.

        A sound that the dataset file gives goes before the source's own; times are those of the source.

        Raises:
            MediaError: when the source, or the given sound, cannot be decoded.
            LtxError: when it was changed since the scan.
        """
        given = clip.given_sound
        if given is not None and given.problem:
            raise MediaError(f"audio: {given.problem}", given.path)
        path, start = clip.path, clip.start_s
        if given is not None:
            path, start = given.path, time_origin(given.path) + clip.time
        wave = read_audio(path, start, clip.seconds, rate) if clip.has_audio else None
        (given or clip.file).check()
        return wave

    def _get(self, name: str, load: Callable[[], T]) -> T:
        if name not in self._loaded:
            if self._transformer is not None and self.device.type == "cuda":
                self._transformer.wait()
            self.release()
            self._loaded[name] = load()
        result: T = self._loaded[name]
        return result


def _fitted(clip: Clip, indices: list[int], treatment: Treatment) -> NDArray[np.uint8]:
    """Frames of a clip's source, their used part fitted to the bucket; one at a time is in memory whole."""
    crop, width, height = clip.crop, clip.bucket.width, clip.bucket.height
    size = decode_size(clip.width, clip.height, width, height)
    if crop is not None and size is not None:
        size = round(crop.of_width * size[0] / crop.width), round(crop.of_height * size[1] / crop.height)

    def used(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if crop is not None:
            rows, columns = crop.scaled(frame.shape[1], frame.shape[0])
            frame = frame[rows, columns]
        fitted: NDArray[np.uint8] = fit(frame[None], width, height)[0]
        return fitted

    return read_frames(clip.path, indices, size, treatment, used)
