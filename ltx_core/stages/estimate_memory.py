"""Device and host memory of each stage of a plan at its peak, for settings as they are or as they could be.

Design choices
- On a GPU one heavy model is resident at a time (`stages/models.py`),
  so the stages' peaks are compared, not added.
- A peak is that of the largest bucket: of a bucket's longest caption, of its pixels, of a batch's tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from math import prod

from ltx_core.errors import ConfigError
from ltx_core.models.headers import weight_shapes
from ltx_core.models.lora.shapes import adapter_count, adapter_shapes, kept_per_token
from ltx_core.models.lora.targets import Size, linear_names, plan_adapters
from ltx_core.models.memory.block import Arithmetic, Load
from ltx_core.models.memory.codecs import sound_bytes, text_bytes
from ltx_core.models.memory.optimizers import moment_bytes, update_bytes
from ltx_core.models.memory.shape import TransformerShape, transformer_shape
from ltx_core.models.memory.sharing import Share
from ltx_core.models.memory.training import (
    Activations,
    Learning,
    activations,
    block_adapters,
    inference,
    recomputed_blocks,
    training_peak,
)
from ltx_core.models.memory.weights import (
    WeightBytes,
    largest_bytes,
    plain_bytes,
    text_encoder_bytes,
    transformer_bytes,
)
from ltx_core.models.names import learns, runs_with
from ltx_core.models.quantise.methods import Method
from ltx_core.models.swap_plan import swapped_blocks
from ltx_core.models.tiling.cut import Cut, TilingMode, decode_cut, encode_cut
from ltx_core.models.tiling.memory import decode_peak_bytes, encode_peak_bytes
from ltx_core.stages.context import Context
from ltx_core.stages.estimate_tokens import planned_buckets
from ltx_core.stages.folder import is_full
from ltx_core.stages.modalities import needed_modalities
from ltx_core.stages.need import Need
from ltx_core.stages.settings import Settings
from ltx_core.stages.tokens import Tokens, largest, tokens_of
from ltx_core.training.processes import process_count

WIDTHS = {"no": 4, "bf16": 2, "fp16": 2}
"""Bytes of a number by `mixed_precision_mode`."""
HOST_BASE = 1 << 30
"""Bytes of a process with torch and its libraries loaded; 0.9 GiB were measured without a GPU."""
HOST_CACHE = 512 << 20
"""Bytes of decoded frames or of rows that a process keeps (`models.FRAME_CACHE_BYTES`)."""
PIXEL = 12
"""Bytes of a pixel on the device: three colours, float32."""
SAMPLE_TOKENS = 16384
"""Tokens of samples that are generated together (`generate.BATCH_TOKENS`)."""


class Memory:
    """What the memory of a config depends on, read once from headers and configs.

    Raises:
        ConfigError: when more blocks are to be swapped than there are.
    """

    def __init__(self, context: Context, gpu: bool) -> None:
        self.context, self.config, self.info, self.gpu = context, context.config, context.info, gpu
        self.full = is_full(self.config)
        self.width = WIDTHS[self.config.acceleration.precision]
        self.streams = list(self.config.training_strategy.streams)
        self.needed = needed_modalities(self.config)
        self._weights: dict[Method | None, WeightBytes] = {}
        try:
            swapped_blocks(self.info.blocks, self.config.acceleration.blocks_to_swap)
        except ValueError as error:
            raise ConfigError(f"acceleration.blocks_to_swap: {error}") from error

    @cached_property
    def tokens(self) -> tuple[Tokens, ...]:
        """Of every bucket."""
        return tuple(tokens_of(self.context, bucket) for bucket in planned_buckets(self.context))

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the transformer's weights that are loaded."""
        found = weight_shapes(self.info, "transformer").items()
        return {name: shape for name, shape in found if runs_with(name, self.needed)}

    @cached_property
    def shape(self) -> TransformerShape:
        """The transformer, with the streams that train."""
        return transformer_shape(self.info.config("transformer"), self.streams)

    @cached_property
    def adapted(self) -> dict[str, Size]:
        """The layers that get an adapter, by whole name; none in a full training."""
        if self.full:
            return {}
        linear, frozen = linear_names(self.shapes), self.config.optimization.frozen
        return plan_adapters(linear, self.config.lora, self.streams, frozen)

    @cached_property
    def trained(self) -> int:
        """Numbers that learn."""
        if self.full:
            return plain_bytes(self.shapes, 1, self._learns)
        return adapter_count(self.config.lora, self.adapted, self.shapes)

    @cached_property
    def learned(self) -> list[tuple[int, ...]]:
        """Shapes of all tensors that learn."""
        if self.full:
            return [shape for name, shape in self.shapes.items() if self._learns(name)]
        lora, layers = self.config.lora, self.adapted.items()
        each = (adapter_shapes(lora, size, self.shapes[f"{name}.weight"]) for name, size in layers)
        return [shape for found in each for shape in found.values()]

    @cached_property
    def numbers(self) -> Arithmetic:
        """Bytes of numbers in a training's passes."""
        precision = self.config.acceleration.precision
        lora, shapes = self.config.lora, self.shapes
        kept = {
            name: kept_per_token(lora, size, shapes[f"{name}.weight"]) for name, size in self.adapted.items()
        }
        adapters = block_adapters(kept)
        return Arithmetic.of(precision, gpu=self.gpu, trained=self.full, adapters=adapters)

    @cached_property
    def learning(self) -> Learning:
        """What learns, and what comes with it."""
        options = self.config.optimization
        kind, averaged = options.optimizer_type, options.ema_decay is not None and not options.ema_offload
        return Learning(
            self.trained,
            half=self.width < 4,
            gpu=self.gpu,
            moments=moment_bytes(kind, self.learned, options.optimizer_params),
            updating=update_bytes(kind, self.learned, gpu=self.gpu),
            averages=self.trained * 4 if averaged else 0,
        )

    def weights(self, settings: Settings) -> WeightBytes:
        """Bytes of the transformer's frozen weights; of a full training those that do not learn."""
        if settings.method not in self._weights:
            shapes: Mapping[str, tuple[int, ...]] = self.shapes
            if self.full:
                shapes = {name: s for name, s in shapes.items() if not self._learns(name)}
            width = 4 if self.full else self.width
            self._weights[settings.method] = transformer_bytes(shapes, width, settings.method)
        return self._weights[settings.method]

    def _learns(self, name: str) -> bool:
        """Whether a weight learns in a full training."""
        return learns(name, self.streams, self.config.optimization.frozen)

    def load(self, settings: Settings) -> Load:
        """Tokens of one forward pass of the bucket with the largest samples."""
        most = largest(self.tokens)
        return most.load(settings.samples(most), self.info.context_tokens)

    def kept(self, settings: Settings) -> Activations:
        """Activations of one forward pass: of whichever bucket has most, since a budget fills the passes of
        all, and many small samples bring as many texts."""
        swapped = swapped_blocks(self.shape.blocks, settings.swap)
        recomputed = recomputed_blocks(self.shape.blocks, settings.every, swapped)
        batches = self.tokens if settings.budget else (largest(self.tokens),)
        loads = {one.load(settings.samples(one), self.info.context_tokens) for one in batches}
        found = [activations(self.shape, load, self.numbers, recomputed) for load in loads]
        return Activations(max(one.start for one in found), max(one.end for one in found))

    @cached_property
    def connectors(self) -> int:
        """Bytes of the connectors beside a transformer: without their projections."""
        wanted = tuple(f"{modality}_connector" for modality in self.needed)
        shapes = weight_shapes(self.info, "connectors")
        return plain_bytes(shapes, self.width, lambda name: name.startswith(wanted))

    @cached_property
    def processes(self) -> int:
        """Of the training."""
        return process_count(self.config.acceleration)

    @property
    def shared(self) -> bool:
        """Whether processes share the weights out."""
        return self.config.acceleration.distribution == "fsdp" and self.processes > 1

    def share(self, settings: Settings) -> Share:
        """What one process of the training holds."""
        learned = {name: shape for name, shape in self.shapes.items() if self.full and self._learns(name)}
        return Share(
            self.processes if self.shared else 1, self.weights(settings), transformer_bytes(learned, 4)
        )

    def training(self, settings: Settings) -> Need:
        """A training step, after the first, in one process."""
        share = self.share(settings)
        frozen, learning = share.weights(settings.swap) + self.connectors, share.learning(self.learning)
        recomputed = recomputed_blocks(self.shape.blocks, settings.every)
        kept = share.kept(self.kept(settings), self.learning, len(recomputed))
        peak = training_peak(frozen, learning, kept)
        own = frozen + learning.count * 4
        state = min(peak - own, learning.end - learning.count * 4)
        return Need("train", own, state, peak - own - state)

    def samples(self, settings: Settings) -> Need:
        """Samples and held-out loss beside a training: passes without gradients, then decoding alone."""
        share = self.share(settings)
        learning = share.learning(self.learning)
        weights = share.weights(settings.swap) + self.connectors + learning.count * 4
        offload = self.config.acceleration.offload_optimizer_during_validation
        state = learning.averages if offload else learning.kept
        load = self.load(replace(settings, batch=1, budget=None))
        shape = transformer_shape(self.info.config("transformer"), self.needed)
        count = max(1, min(8, SAMPLE_TOKENS // max(1, load.video + load.audio)))
        held = largest(self.tokens).load(count, self.info.context_tokens)
        return Need("samples", weights, state, inference(shape, held, self.numbers))

    def decoding(self, settings: Settings) -> Need | None:
        """Decoding samples; the transformer waits on the host. None in a run without samples of video."""
        if "video" not in self.needed or "vae" not in self.info.parts:
            return None
        width, height, frames = self.config.validation.video_dims
        return self._vae("decode", (frames, height, width), settings.tiling)

    def latents(self, settings: Settings) -> Need | None:
        """Encoding the pixels of the largest bucket; None in a mode without video."""
        if self.config.training_strategy.video is None or self.config.imported:
            return None
        sizes = [(bucket.frames, bucket.height, bucket.width) for bucket in planned_buckets(self.context)]
        return self._vae("latents", max(sizes, key=prod), settings.tiling)

    def _vae(self, stage: str, size: tuple[int, int, int], tiling: TilingMode) -> Need:
        config, precision = self.info.config("vae"), self.config.acceleration.precision
        choose, peak = (
            (encode_cut, encode_peak_bytes) if stage == "latents" else (decode_cut, decode_peak_bytes)
        )
        cut = choose(config, size, precision, tiling) or Cut("time", 0)
        work = peak(config, *size, precision, cut.piece, cut.axis) + PIXEL * prod(size)
        return Need(stage, plain_bytes(weight_shapes(self.info, "vae"), self.width), 0, work)

    def text(self, settings: Settings) -> Need | None:
        """Captions as long as the model reads; None where no caption is encoded here."""
        if "text_encoder" not in self.info.parts:
            return None
        shapes = weight_shapes(self.info, "text_encoder")
        weights = text_encoder_bytes(shapes, self.width, settings.text_method)
        connectors = weight_shapes(self.info, "connectors")
        weights += plain_bytes(connectors, self.width, lambda name: "text_proj_in" in name)
        projected = ""
        if connectors:
            each = self.info.config("connectors").get("per_modality_projections")
            projected = "tokens" if each else "layers"
        config = self.info.config("text_encoder")
        return Need("text", weights, 0, text_bytes(config, self.info.text_tokens, self.width, projected))

    def sounds(self) -> Need | None:
        """Encoding the longest sound, in float32; None in a mode without audio."""
        if self.config.training_strategy.audio is None or self.config.imported:
            return None
        weights = sum(plain_bytes(weight_shapes(self.info, name), 4) for name in ("audio_vae", "vocoder"))
        fps = self.config.dataset.fps
        seconds = max(bucket.seconds(fps) for bucket in planned_buckets(self.context))
        return Need("audio_latents", weights, 0, sound_bytes(self.info.config("audio_vae"), seconds))

    def needs(self, settings: Settings) -> tuple[Need, ...]:
        """Of every stage that takes a device, in the order of a run."""
        found = (
            self.text(settings),
            self.latents(settings),
            self.sounds(),
            self.training(settings),
            self.samples(settings),
            self.decoding(settings),
        )
        return tuple(need for need in found if need is not None)

    def host(self, settings: Settings) -> int:
        """Bytes of the machine's memory that a process takes at the most; each reads all weights."""
        needs = self.needs(settings)
        if not self.gpu:
            return HOST_BASE + HOST_CACHE + max(need.peak for need in needs)
        frozen = self.weights(settings)
        # The transformer waits here while samples are decoded; with swapped blocks it is read into here.
        waiting = frozen.all + self.trained * (8 if self.config.optimization.ema_offload else 4)
        reading = largest_bytes(self.shapes, 4)
        return HOST_BASE + HOST_CACHE + max(waiting, frozen.host(settings.swap)) + reading
