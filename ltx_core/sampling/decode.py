"""Generated tokens as frames and sound; one sample at a time, so that a batch needs no more memory."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ltx_core.assemble import audio_latents, video_latents
from ltx_core.encoding.video import frames_of
from ltx_core.geometry.grid import VideoGrid
from ltx_core.models.codecs import AudioCodec, VideoCodec


def decode_video(codec: VideoCodec, tokens: Tensor, grid: VideoGrid) -> NDArray[np.uint8]:
    """Frames `[B, F, H, W, 3]` of tokens `[B, f*h*w, C]`."""
    latents = video_latents(tokens, grid)
    return np.concatenate([frames_of(codec.decode(one[None])) for one in latents])


def decode_audio(codec: AudioCodec, tokens: Tensor, seconds: float) -> tuple[NDArray[np.float32], int]:
    """Waves `[B, 2, S]` of exactly `seconds`, padded with silence or trimmed, and their sample rate."""
    latents = audio_latents(tokens, codec.channels)
    samples = round(seconds * codec.rate)
    waves = []
    for one in latents:
        wave = codec.decode(one[None])[0][0, :, :samples].float().cpu()
        waves.append(torch.nn.functional.pad(wave, (0, samples - wave.shape[-1])).clamp(-1, 1))
    result: NDArray[np.float32] = torch.stack(waves).numpy()
    return result, codec.rate
