"""Sizes of the tiny LTX-2, shared by its parts, and the number of steps that each part is trained for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ltx_core.media.mel import MelSpec

SIDE, FRAMES, FPS = 64, 9, 8
PATCH_TIME, PATCH_SIDE = 4, 16
"""Frames and pixels per latent: the compression of the video VAE."""
GRID = ((FRAMES - 1) // PATCH_TIME + 1, SIDE // PATCH_SIDE, SIDE // PATCH_SIDE)
VIDEO_CHANNELS = 32
MEL = MelSpec(
    sample_rate=8000,
    n_fft=800,
    hop=200,
    mel_bins=16,
    f_min=60.0,
    f_max=4000.0,
    scale="htk",
    norm=None,
    floor=1e-3,
    mean=-3.0,
    std=3.0,
)
AUDIO_CHANNELS, AUDIO_BINS = 4, 4
"""Channels and frequency bins of an audio latent; together the 16 channels of an audio token."""
AUDIO_LATENTS = 11
"""Latents of a clip: 10 a second for 9/8 s, rounded."""
MEL_FRAMES = 4 * AUDIO_LATENTS - 3
SAMPLES = (MEL_FRAMES - 1) * MEL.hop
TOKENS = 16
"""Longest caption, and the number of the connectors' registers."""
TEXT_WIDTH = 64


@dataclass(frozen=True)
class Budget:
    """Clips, and training steps of each part. The defaults take about an hour of one core."""

    clips: int = 4400
    video_vae: int = 3000
    audio_vae: int = 1500
    transformer: int = 4400
    vocoder: int = 4000
    batch: int = 16

    def scaled(self, share: float) -> Budget:
        """The same clips with `share` of the steps."""
        steps = ("video_vae", "audio_vae", "transformer", "vocoder")
        return replace(self, **{part: max(1, round(getattr(self, part) * share)) for part in steps})


TEST_BUDGET = Budget(clips=40, video_vae=3, audio_vae=3, transformer=3, vocoder=2, batch=4)
"""Enough to run every line; the result knows nothing."""
