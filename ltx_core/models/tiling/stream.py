"""A video autoencoder piece by piece along one axis, with the numbers of the whole: no overlap, no seam.

Design choices
- Every operation of these autoencoders is local: norms see one pixel, convolutions three frames, rows and
  columns. So a layer can be a generator from pieces to pieces that keeps the frames (or rows) which its next
  output still needs, and every output is computed once, from the inputs that it has in the whole pass.
- A layer that looks ahead gives its last output when its source ends; layers pull from one another, so what
  lies in memory at a time is one piece and what the layers keep, never the clip.
- Modules are those of diffusers (`AutoencoderKLLTX2Video`, `AutoencoderKLLTXVideo`); their weights are used,
  their forward is not.
- Results are handed on without a name: a name would keep a piece while the layers behind work on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ltx_core.models.tiling.cut import Cut
from ltx_core.models.tiling.memory import factors
from ltx_core.models.tiling.pieces import (
    ROWS,
    TIME,
    Delay,
    Pieces,
    Run,
    convolved,
    from_channels,
    from_patches,
    joined,
    split,
    to_channels,
    to_patches,
)


def encoded(vae: Any, pixels: Pieces, axis: int = TIME) -> Pieces:
    """Means of the latents, in pieces, of pieces of pixels `[B, 3, F, H, W]`."""
    encoder, run = vae.encoder, Run(axis, bool(vae.config.encoder_causal))
    patches = map(lambda piece: to_patches(piece, encoder.patch_size), pixels)
    frames = convolved(encoder.conv_in, patches, run)
    for block in (*encoder.down_blocks, encoder.mid_block):
        frames = _block(block, frames, run)
    ready = map(lambda piece: encoder.conv_act(_normed(encoder.norm_out, piece)), frames)
    means = convolved(encoder.conv_out, ready, run)
    return map(lambda piece: piece[:, :-1], means)  # the last channel is the spread, which all others share


def decoded(
    vae: Any, latents: Pieces, size: tuple[int, int], axis: int = TIME, level: Tensor | None = None
) -> Pieces:
    """Pixels in pieces of pieces of latents `[B, C, f, h, w]`, not normalised.

    Args:
        vae: the autoencoder.
        latents: pieces in order.
        size: rows and columns of all the latents.
        axis: along which they are cut.
        level: noise level `[B]` of an autoencoder that decodes with one. A decoder whose layers add noise
            draws it from torch's generator, in the order of the whole pass.
    """
    decoder = vae.decoder
    if decoder.timestep_scale_multiplier is not None and level is not None:
        level = level * decoder.timestep_scale_multiplier
    run = Run(axis, bool(vae.config.decoder_causal), *size, level)
    frames = convolved(decoder.conv_in, latents, run)
    for block in (decoder.mid_block, *decoder.up_blocks):
        frames = _block(block, frames, run)
    patches = convolved(decoder.conv_out, _finished(decoder, frames, run), run)
    return map(lambda piece: from_patches(piece, decoder.patch_size), patches)


def _block(block: Any, frames: Pieces, run: Run) -> Pieces:
    """A down, mid or up block: its parts in the order in which the library runs them."""
    if getattr(block, "conv_in", None) is not None:
        frames = _residual(block.conv_in, frames, run, run.level)
    level = run.level
    if level is not None and getattr(block, "time_embedder", None) is not None:
        level = _embedding(block.time_embedder, level)
    for sampler in getattr(block, "upsamplers", None) or ():
        frames = _grown(sampler, frames, run)
    for resnet in block.resnets:
        frames = _residual(resnet, frames, run, level)
    for sampler in getattr(block, "downsamplers", None) or ():
        shrink = _shrunk if hasattr(sampler, "group_size") else convolved
        frames = shrink(sampler, frames, run)
    if getattr(block, "conv_out", None) is not None:
        frames = _residual(block.conv_out, frames, run, level)
    return frames


def _residual(block: Any, pieces: Pieces, run: Run, level: Tensor | None) -> Pieces:
    """Two convolutions beside a way straight through."""
    shift_1, scale_1, shift_2, scale_2 = _modulation(block, level)
    kept = Delay(run.axis)
    noise_1 = _noise(getattr(block, "per_channel_scale1", None), run)
    noise_2 = _noise(getattr(block, "per_channel_scale2", None), run)

    def first(piece: Tensor) -> Tensor:
        kept.push(_straight(block, piece))
        changed: Tensor = block.nonlinearity(_shifted(_normed(block.norm1, piece), shift_1, scale_1))
        return changed

    def second(piece: Tensor) -> Tensor:
        normed = _normed(block.norm2, noise_1(piece))
        changed: Tensor = block.nonlinearity(_shifted(normed, shift_2, scale_2))
        return changed

    def third(piece: Tensor) -> Tensor:
        return noise_2(piece) + kept.take(piece.shape[run.axis])

    middle = convolved(block.conv1, map(first, pieces), run)
    return map(third, convolved(block.conv2, map(second, middle), run))


def _noise(strength: Tensor | None, run: Run) -> Callable[[Tensor], Tensor]:
    """Adds one picture of noise to every frame; nothing in a layer without it."""
    if strength is None:
        return lambda piece: piece
    whole: list[Tensor] = []
    done = [0]

    def add(piece: Tensor) -> Tensor:
        rows, columns = piece.shape[-2:]
        if not whole:
            size = (run.rows * columns // run.columns, columns)
            whole.append(torch.randn(size, device=piece.device, dtype=piece.dtype)[None])
        first = done[0]
        done[0] += rows if run.axis == ROWS else 0
        return piece + (whole[0][:, first : first + rows] * strength)[None, :, None]

    return add


def _straight(block: Any, piece: Tensor) -> Tensor:
    """The way past a residual block's convolutions; narrower or wider where the block is."""
    if block.norm3 is not None:
        piece = block.norm3(piece.movedim(1, -1)).movedim(-1, 1)
    if block.conv_shortcut is None:
        return piece
    shortcut: Tensor = getattr(block.conv_shortcut, "conv", block.conv_shortcut)(piece)
    return shortcut


def _shrunk(block: Any, pieces: Pieces, run: Run) -> Pieces:
    """Neighbouring pixels and frames into channels, beside their mean; the first frames count twice."""
    kept, ready = Delay(run.axis), Delay(run.axis)
    group = block.stride[run.axis - TIME]

    def means(count: int) -> Tensor:
        return split(to_channels(kept.take(count), block.stride), 1, (-1, block.group_size)).mean(2)

    headed = _headed(pieces, block.stride[0] - 1, run)
    for piece in convolved(block.conv, map(kept.push, headed), run):
        ready.push(piece)
        del piece
        count = len(ready) // group * group
        if count:
            yield to_channels(ready.take(count), block.stride) + means(count)


def _headed(pieces: Pieces, count: int, run: Run) -> Pieces:
    """The video with its first `count` frames once more in front."""
    for piece in pieces:
        yield joined([piece[:, :, :count], piece], TIME) if count else piece
        del piece
        if run.axis == TIME:
            count = 0


def _grown(block: Any, pieces: Pieces, run: Run) -> Pieces:
    """Channels into neighbouring pixels and frames; the first frames, which are doubles, are dropped."""
    kept = Delay(run.axis)
    doubles = [block.stride[0] - 1]
    repeats = block.stride[0] * block.stride[1] * block.stride[2] // block.upscale_factor

    def grow(piece: Tensor) -> Tensor:
        drop = doubles[0]
        doubles[0] = 0 if run.axis == TIME else drop
        grown = from_channels(piece, block.stride)[:, :, drop:]
        if not block.residual:
            return grown
        beside = from_channels(kept.take(piece.shape[run.axis]), block.stride)[:, :, drop:]
        return grown + beside.repeat(1, repeats, 1, 1, 1)

    return map(grow, convolved(block.conv, map(kept.push, pieces) if block.residual else pieces, run))


def _finished(decoder: Any, frames: Pieces, run: Run) -> Pieces:
    shift = scale = None
    if decoder.time_embedder is not None and run.level is not None:
        embedded = split(_embedding(decoder.time_embedder, run.level), 1, (2, -1))
        shift, scale = (embedded + decoder.scale_shift_table[None, ..., None, None, None]).unbind(1)
    return map(
        lambda piece: decoder.conv_act(_shifted(_normed(decoder.norm_out, piece), shift, scale)), frames
    )


def _embedding(embedder: Any, level: Tensor) -> Tensor:
    """A noise level `[B]` as a layer's features `[B, D, 1, 1, 1]`."""
    flat, dtype = level.flatten(), next(embedder.parameters()).dtype
    features: Tensor = embedder(
        timestep=flat, resolution=None, aspect_ratio=None, batch_size=len(flat), hidden_dtype=dtype
    )
    return features.view(len(flat), -1, 1, 1, 1)


def _modulation(block: Any, level: Tensor | None) -> tuple[Tensor | None, ...]:
    if block.scale_shift_table is None or level is None:
        return (None,) * 4
    table = block.scale_shift_table[None, ..., None, None, None]
    return tuple((split(level, 1, (4, -1)) + table).unbind(1))


def _shifted(piece: Tensor, shift: Tensor | None, scale: Tensor | None) -> Tensor:
    return piece if shift is None or scale is None else piece * (1 + scale) + shift


def _normed(norm: Any, piece: Tensor) -> Tensor:
    """A norm over channels: LTX-2's knows its axis, LTX-Video's takes the last one."""
    if hasattr(norm, "channel_dim"):
        result: Tensor = norm(piece)
        return result
    return torch.movedim(norm(piece.movedim(1, -1)), -1, 1)


def encode_in_pieces(vae: Any, pixels: Tensor, cut: Cut) -> Tensor:
    """Means of the latents `[B, C, f, h, w]` float32 on the CPU of `pixels` `[B, 3, F, H, W]`.

    The pixels may lie on the host: pieces go to the autoencoder's device one by one.
    """
    time, space = factors({**vae.config, "_class_name": type(vae).__name__})
    axis = TIME if cut.axis == "time" else ROWS
    step = cut.piece * (time if axis == TIME else space)
    first = step - time + 1 if axis == TIME else step
    pieces = map(lambda piece: piece.to(vae.device, vae.dtype), cut_up(pixels, first, step, axis))
    found = [piece.float().cpu() for piece in encoded(vae, pieces, axis)]
    return torch.cat(found, axis)


def decode_in_pieces(vae: Any, latents: Tensor, cut: Cut, level: Tensor | None = None) -> Tensor:
    """Pixels `[B, 3, F, H, W]` float32 on the CPU of latents `[B, C, f, h, w]`, not normalised."""
    axis = TIME if cut.axis == "time" else ROWS
    pieces = cut_up(latents.to(vae.device, vae.dtype), cut.piece, cut.piece, axis)
    size = (latents.shape[3], latents.shape[4])
    return torch.cat([piece.float().cpu() for piece in decoded(vae, pieces, size, axis, level)], axis)


def cut_up(video: Tensor, first: int, step: int, axis: int) -> Pieces:
    """`video` in a piece of `first` frames or rows and pieces of `step`."""
    length = video.shape[axis]
    for start in (0, *range(min(first, length), length, step)):
        yield video.narrow(axis, start, min(first if start == 0 else step, length - start))
