"""The diffusion decoder of LTX-2.5 in the original layout: config, names, weights that are made of others.

The original holds query, key and value in one matrix, and some files hold fixed gates that belong into the
layer before them. Both are resolved when a weight is read, tensor by tensor. Source: the public reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ltx_core.models.component import Span, Stored
from ltx_core.models.errors import ModelError
from ltx_core.models.original.configs import expect
from ltx_core.models.original.names import VAE_STATISTICS

if TYPE_CHECKING:
    from torch import Tensor

RENAMED = (
    ("t_embedder.mlp.0.", "t_embedder.timestep_embedder.linear_1."),
    ("t_embedder.mlp.2.", "t_embedder.timestep_embedder.linear_2."),
    (".attn.proj.", ".attn.to_out.0."),
    (".attn.q_norm.", ".attn.norm_q."),
    (".attn.k_norm.", ".attn.norm_k."),
)
GATED = {
    ".attn.proj.weight": ".gate_msa",
    ".attn.proj.bias": ".gate_msa",
    ".mlp.w_down.weight": ".gate_mlp",
    ".mlp.w_down.bias": ".gate_mlp",
    ".context_proj.weight": ".gate_ctx",
    ".context_proj.bias": ".gate_ctx",
}
"""End of a weight's name -> end of the name of the gate that is multiplied into its rows."""
GATES = tuple(sorted(set(GATED.values())))
PREVIEW = "coarse_"
"""Beginning of the name of a preview head, which nothing uses."""
IGNORED = frozenset(("type_emb",))
QKV = ".attn.qkv."


@dataclass(frozen=True)
class Rows(Stored):
    """Rows of a stored weight, one of three equal shares: query, key or value."""

    share: int = 0

    def take(self, handle: Any) -> Tensor:
        """The rows alone are read."""
        start = self.share * self.shape[0]
        found: Tensor = handle.get_slice(self.key)[start : start + self.shape[0]]
        return found


@dataclass(frozen=True)
class Gated(Stored):
    """A weight whose rows are multiplied by a fixed gate of the same file."""

    gate: Stored | None = field(default=None)

    def take(self, handle: Any) -> Tensor:
        """The product, in the weight's type."""
        weight: Tensor = handle.get_tensor(self.key)
        if self.gate is None:
            return weight
        gate: Tensor = handle.get_tensor(self.gate.key).float()
        return (weight.float() * gate.view(-1, *[1] * (weight.ndim - 1))).to(weight.dtype)

    @property
    def spans(self) -> tuple[Span, ...]:
        """The bytes of both."""
        return super().spans if self.gate is None else (*super().spans, *self.gate.spans)


def decoder_config(config: Mapping[str, Any], scale: tuple[int, int, int]) -> dict[str, Any]:
    """diffusers' config of `LTX2VideoDiffusionDecoderModel`, of the section `vae` of a diffusion VAE.

    Raises:
        ModelError: for a setting that diffusers' class has not.
    """
    decoder = config.get("decoder") or {}
    expect("vae decoder", decoder, _class_name="nadiffusiondecoder", resampler_kind="linear")
    kernels = [list(kernel) for kernel in decoder.get("stage_kernels", ())]
    upsamples = decoder.get("upsamples")
    found: dict[str, Any] = {
        "_class_name": "LTX2VideoDiffusionDecoderModel",
        "out_channels": decoder.get("out_channels", 3),
        "latent_channels": decoder.get("in_channels", config.get("latent_channels", 128)),
        "patch_size": decoder.get("patch_size", 4),
        "scaling_factor": config.get("scaling_factor", 1.0),
        "decoder_head_dim": decoder.get("head_dim", 64),
        "decoder_t_emb_dim": decoder.get("t_emb_dim", 384),
        "decoder_timestep_scale_multiplier": decoder.get("timestep_scale_multiplier", 1.0),
        "decoder_model_output_type": config.get("model_output_type", "v"),
        "decoder_num_inference_steps": decoder.get("default_num_inference_steps", 2),
        "spatial_compression_ratio": scale[1],
        "temporal_compression_ratio": scale[0],
    }
    if "stage_channels" in decoder:
        found["decoder_stage_channels"] = list(decoder["stage_channels"])
    if "stage_depths" in decoder:
        found["decoder_stage_depths"] = list(decoder["stage_depths"])
    if kernels:
        # The last stage's kernel is a setting of its own in the library.
        found["decoder_stage_kernels"] = kernels[:4]
        found["decoder_stage5_kernel"] = list(decoder.get("stage5_kernel", kernels[-1]))
    if upsamples:
        found["decoder_upsample_strides"] = [list(stride) for stride, _ in upsamples]
        found["decoder_upsample_channel_reductions"] = [factor for _, factor in upsamples]
    return found


def decoder_weights(original: Mapping[str, Stored]) -> dict[str, Stored]:
    """Weights by diffusers' names.

    Args:
        original: all of a diffusion VAE, names without `vae.`; the encoder's are left out.

    Raises:
        ModelError: when a joint matrix has no three equal shares.
    """
    found: dict[str, Stored] = {}
    for name, stored in original.items():
        if name in VAE_STATISTICS:
            found[VAE_STATISTICS[name]] = stored
        elif name.startswith("decoder."):
            found |= dict(_turned(name, stored, original))
    return found


def _turned(name: str, stored: Stored, all_of_it: Mapping[str, Stored]) -> Iterator[tuple[str, Stored]]:
    """What a stored weight is in the library: nothing, one weight or three."""
    bare = name.removeprefix("decoder.")
    if bare in IGNORED or PREVIEW in bare or bare.endswith(GATES):
        return
    if QKV in name:
        yield from _shares(name, stored)
        return
    end = next((known for known in GATED if name.endswith(known)), None)
    gate = all_of_it.get(name.removesuffix(end) + GATED[end]) if end else None
    kind = stored if gate is None else Gated(**vars(stored), gate=gate)
    for old, new in RENAMED:
        name = name.replace(old, new)
    yield name, kind


def _shares(name: str, stored: Stored) -> Iterator[tuple[str, Stored]]:
    rows, rest = divmod(stored.shape[0], 3)
    if rest:
        raise ModelError(
            f"{stored.file}: {stored.key} has {stored.shape[0]} rows, no multiple of 3; get it again"
        )
    size = (stored.end - stored.begin) // 3
    for share, letter in enumerate("qkv"):
        begin = stored.begin + share * size
        where = {**vars(stored), "shape": (rows, *stored.shape[1:]), "begin": begin, "end": begin + size}
        yield name.replace(QKV, f".attn.to_{letter}."), Rows(**where, share=share)
