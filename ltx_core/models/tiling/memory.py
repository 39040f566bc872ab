"""How much memory a pass of a video autoencoder takes, from its config alone. Needs no torch.

Design choices
- A pass is a list of layers; each is known by the size of what goes in and comes out. The peak is at one
  layer: its input, the block's input, norms, a padded copy and its output live together.
- In pieces, the peak is what all layers keep for their next output, and one layer's work on a piece.
- The two numbers of a layer's work were fitted to measured peaks (`benchmarks/tiled_vae.py` measures the
  error); weights, which do not depend on the size, are not counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Literal

Axis = Literal["time", "rows"]
"""Along which a clip is cut."""
RESNET_COPIES = 6.0
"""Tensors of its size that live within a residual block at its peak."""
MIRRORED_COPIES = 1.0
"""One more where the convolution's edge is mirrored, which takes a copy."""
SAMPLER_COPIES = (2.0, 3.0)
"""Tensors of the input's and of the output's size that live within a sampler at its peak."""
STRIDES = {"spatial": (1, 2, 2), "temporal": (2, 1, 1), "spatiotemporal": (2, 2, 2), "conv": (2, 2, 2)}
LTX2: Mapping[str, Any] = {
    "latent_channels": 128,
    "block_out_channels": (256, 512, 1024, 2048),
    "down_block_types": ("LTX2VideoDownBlock3D",) * 4,
    "decoder_block_out_channels": (256, 512, 1024),
    "layers_per_block": (4, 6, 6, 2, 2),
    "decoder_layers_per_block": (5, 5, 5, 5),
    "spatio_temporal_scaling": (True,) * 4,
    "decoder_spatio_temporal_scaling": (True,) * 3,
    "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
    "upsample_type": ("spatiotemporal",) * 3,
    "upsample_factor": (2, 2, 2),
    "patch_size": 4,
    "patch_size_t": 1,
    "encoder_causal": True,
    "decoder_causal": True,
    "encoder_spatial_padding_mode": "zeros",
    "decoder_spatial_padding_mode": "reflect",
}
"""What `AutoencoderKLLTX2Video` takes where its config says nothing."""
LTXV: Mapping[str, Any] = {
    **LTX2,
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("LTXVideoDownBlock3D",) * 4,
    "decoder_block_out_channels": (128, 256, 512, 512),
    "layers_per_block": (4, 3, 3, 3, 4),
    "decoder_layers_per_block": (4, 3, 3, 3, 4),
    "spatio_temporal_scaling": (True, True, True, False),
    "decoder_spatio_temporal_scaling": (True, True, True, False),
    "downsample_type": ("conv",) * 4,
    "upsample_type": ("spatiotemporal",) * 4,
    "upsample_factor": (1, 1, 1, 1),
    "decoder_causal": False,
    "decoder_spatial_padding_mode": "zeros",
}
"""What `AutoencoderKLLTXVideo` takes where its config says nothing, and what is fixed in it."""
WIDTHS = {"bf16": 2, "fp16": 2, "no": 4}
"""Bytes of a number by precision."""


@dataclass(frozen=True)
class Size:
    """A clip, or what a layer sees of it.

    Attributes:
        frames, height, width: of the clip in pixels, of a layer in its own grid.
        channels: of a pixel.
    """

    frames: int
    height: int
    width: int
    channels: int = 3

    @property
    def elements(self) -> int:
        """Numbers in all."""
        return self.channels * self.frames * self.height * self.width

    def slice(self, axis: Axis) -> float:
        """Numbers of one frame, or of one row of all frames."""
        return self.elements / (self.frames if axis == "time" else self.height)

    def length(self, axis: Axis) -> int:
        """Frames or rows."""
        return self.frames if axis == "time" else self.height

    def shrunk(self, stride: Sequence[int]) -> Size:
        """After a downsampler: the first frame stays alone."""
        frames = (self.frames - 1) // stride[0] + 1
        return replace(self, frames=frames, height=self.height // stride[1], width=self.width // stride[2])

    def grown(self, stride: Sequence[int]) -> Size:
        """After an upsampler."""
        frames = (self.frames - 1) * stride[0] + 1
        return replace(self, frames=frames, height=self.height * stride[1], width=self.width * stride[2])


@dataclass(frozen=True)
class Layer:
    """A residual block or a sampler."""

    kind: Literal["resnet", "sampler"]
    given: Size
    result: Size


def encode_peak_bytes(
    config: Mapping[str, Any],
    frames: int,
    height: int,
    width: int,
    dtype: str,
    piece: int = 0,
    axis: Axis = "time",
) -> int:
    """Peak of activations while a clip is encoded, its pixels not counted.

    Args:
        config: of the autoencoder, as diffusers writes it.
        frames, height, width: of the clip in pixels.
        dtype: `bf16`, `fp16` or `no` (float32).
        piece: latent frames (or rows) that are worked on at a time; 0: all at once.
        axis: along which the clip is cut.
    """
    config = complete(config)
    layers = list(encoder_layers(config, Size(frames, height, width)))
    mirrored = config["encoder_spatial_padding_mode"] == "reflect"
    return WIDTHS[dtype] * _peak(layers, mirrored, config["encoder_causal"], piece, axis)


def decode_peak_bytes(
    config: Mapping[str, Any],
    frames: int,
    height: int,
    width: int,
    dtype: str,
    piece: int = 0,
    axis: Axis = "time",
) -> int:
    """Peak of activations while a clip of that size is decoded; arguments as of `encode_peak_bytes`."""
    config = complete(config)
    layers = list(decoder_layers(config, Size(frames, height, width)))
    mirrored = config["decoder_spatial_padding_mode"] == "reflect"
    return WIDTHS[dtype] * _peak(layers, mirrored, config["decoder_causal"], piece, axis)


def complete(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with what it leaves out, as its class of diffusers fills it in."""
    name = str(config.get("_class_name") or "")
    kinds = config.get("down_block_types") or ("LTX2VideoDownBlock3D",)
    ours = name == "AutoencoderKLLTX2Video" or (not name and str(kinds[0]).startswith("LTX2"))
    given = {key: value for key, value in config.items() if value is not None}
    found = {**(LTX2 if ours else LTXV), **given}
    found["first"] = found["latent_channels"] if ours else found["block_out_channels"][0]
    return found


def factors(config: Mapping[str, Any]) -> tuple[int, int]:
    """Pixel frames per latent frame and pixels per latent, along height and along width."""
    found = complete(config)
    strides = [stride for _, stride in _down(found) if stride]
    space = int(found["patch_size"]) * prod(stride[1] for stride in strides)
    return prod(stride[0] for stride in strides), space


def encoder_layers(config: Mapping[str, Any], clip: Size) -> Iterator[Layer]:
    """The encoder's layers, in order; `config` is complete."""
    patch, counts = int(config["patch_size"]), list(config["layers_per_block"])
    size = Size(clip.frames, clip.height // patch, clip.width // patch, config["first"])
    for count, (width, stride) in zip(counts, _down(config), strict=False):
        yield from _resnets(size, count)
        if stride:
            shrunk = replace(size.shrunk(stride), channels=size.channels if _plain(config) else width)
            yield Layer("sampler", size, shrunk)
            size = shrunk
        if size.channels != width:
            yield Layer("resnet", size, replace(size, channels=width))
            size = replace(size, channels=width)
    yield from _resnets(size, counts[-1])


def decoder_layers(config: Mapping[str, Any], clip: Size) -> Iterator[Layer]:
    """The decoder's layers, in order; `config` is complete."""
    widths, counts, scaled, growths = (
        list(reversed(config[name]))
        for name in (
            "decoder_block_out_channels",
            "decoder_layers_per_block",
            "decoder_spatio_temporal_scaling",
            "upsample_factor",
        )
    )
    kinds = list(config["upsample_type"])  # the library does not reverse these
    time, space = factors(config)
    frames = (clip.frames - 1) // time + 1
    size = Size(frames, clip.height // space, clip.width // space, widths[0])
    yield from _resnets(size, counts[0])
    for count, width, scales, growth, kind in zip(counts[1:], widths, scaled, growths, kinds, strict=False):
        out = width // growth
        if size.channels // growth != out:
            yield Layer("resnet", size, replace(size, channels=out))
        size = replace(size, channels=out * growth)
        if scales:
            grown = replace(size.grown(STRIDES[kind]), channels=out)
            yield Layer("sampler", size, grown)
            size = grown
        size = replace(size, channels=out)
        yield from _resnets(size, count)


def _down(config: Mapping[str, Any]) -> list[tuple[int, tuple[int, int, int] | None]]:
    """Channels after each block of the encoder, and the stride of its sampler."""
    widths, kinds = list(config["block_out_channels"]), list(config["downsample_type"])
    last = str(config["down_block_types"][-1])
    if last == "LTXVideoDownBlock3D":
        widths, kinds = [*widths[1:], widths[-1]], ["conv"] * len(widths)
    elif last == "LTXVideo095DownBlock3D":
        widths = widths[1:]
    scaled = config["spatio_temporal_scaling"]
    return [
        (width, STRIDES[kind] if scales else None)
        for width, kind, scales in zip(widths, kinds, scaled, strict=False)
    ]


def _plain(config: Mapping[str, Any]) -> bool:
    """Whether samplers of the encoder are convolutions that keep their channels."""
    return str(config["down_block_types"][-1]) == "LTXVideoDownBlock3D" or "conv" in config["downsample_type"]


def _resnets(size: Size, count: int) -> Iterator[Layer]:
    for _ in range(count):
        yield Layer("resnet", size, size)


def _peak(layers: list[Layer], mirrored: bool, causal: bool, piece: int, axis: Axis) -> int:
    """Numbers that live at the peak."""
    if piece == 0:
        return round(max(_work(layer, mirrored) for layer in layers))
    latent = min(layer.result.length(axis) for layer in layers)
    alone = 1 if axis == "time" else 0  # the first latent frame holds one frame, the others share the rest
    share = min(1.0, piece / max(1, latent - alone))
    kept = sum(_kept(layer, axis, causal and axis == "time") for layer in layers)
    return round(kept + share * max(_work(layer, mirrored) for layer in layers))


def _work(layer: Layer, mirrored: bool) -> float:
    extra = MIRRORED_COPIES if mirrored else 0.0
    if layer.kind == "resnet":
        return (RESNET_COPIES + extra) * max(layer.given.elements, layer.result.elements)
    before, after = SAMPLER_COPIES
    return (before + extra) * layer.given.elements + after * layer.result.elements


def _kept(layer: Layer, axis: Axis, causal: bool) -> float:
    """Two frames or rows for every convolution, and those that wait beside one that looks ahead."""
    given, result = layer.given.slice(axis), layer.result.slice(axis)
    if layer.kind == "sampler":
        return (2 if causal else 3) * given
    return 2 * given + 2 * result + (0 if causal else 2 * result)
