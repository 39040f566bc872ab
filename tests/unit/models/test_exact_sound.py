"""The audio autoencoder and both kinds of vocoder run in float32, whatever surrounds them."""

from __future__ import annotations

import pytest
import torch
from zoo import ltx2_parts

from ltx_core.media.mel import MelSpec
from ltx_core.models.codecs import AudioCodec


@pytest.mark.parametrize("version", ["2.0", "2.3"])
def test_autocast_does_not_reach_sound(version):
    torch.manual_seed(0)
    vae, vocoder = ltx2_parts.audio_vae().eval(), ltx2_parts.vocoder(version).eval()
    assert ("BWE" in type(vocoder).__name__) == (version == "2.3")
    codec = AudioCodec(vae, vocoder, MelSpec(), 48000)
    wave = torch.rand(1, 2, 4000) - 0.5
    latents = codec.encode(wave)
    plain, _ = codec.decode(latents)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(codec.encode(wave), latents)
        found, _ = codec.decode(latents)
        with torch.no_grad():
            picture = vae.decode(latents, return_dict=False)[0]
            cast = vocoder(picture.float())
    assert found.dtype == torch.float32 and torch.equal(found, plain)
    with torch.no_grad():
        assert not torch.equal(cast.float(), vocoder(picture.float()))  # autocast alone would have changed it
