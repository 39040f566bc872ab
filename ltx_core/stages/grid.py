"""`ltx sample`: a grid of samples over prompts, seeds and LoRA strengths, each a file, and one picture."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ltx_core import __version__
from ltx_core.conditions.base import Modality
from ltx_core.config.roles import MODALITIES
from ltx_core.config.sections import MEASURING
from ltx_core.config.wishes import Wish, sections
from ltx_core.errors import ConfigError
from ltx_core.media.sheet import Strip, contact_sheet
from ltx_core.models.lora.fit import check_lora, check_transformer
from ltx_core.models.lora.strength import set_strength
from ltx_core.models.safetensors_file import file_metadata
from ltx_core.models.velocity import Velocity
from ltx_core.sampling.sampler import Progress
from ltx_core.stages.batches import Contexts, Rows, open_contexts
from ltx_core.stages.context import Context
from ltx_core.stages.dataset import load_samples
from ltx_core.stages.folder import LORA, PRODUCTS, weights_of
from ltx_core.stages.generate import Generated, Request, generate_each, prompt_request, texts_of
from ltx_core.stages.hooks import sample_requests
from ltx_core.stages.network import open_velocity
from ltx_core.stages.prompts import encode_prompts
from ltx_core.stages.report import base_fingerprint, base_quantization
from ltx_core.stages.samples import SHEET, SHEET_FRAMES, strip_of, write_sample
from ltx_core.store.disk import write_atomic
from ltx_core.store.keys import digest, digest_file

logger = logging.getLogger(__name__)
INDEX = "index.json"
EXACT = "exact"
"""The base's weights where they are not quantised."""


@dataclass(frozen=True)
class Cell:
    """One sample of the grid."""

    request: Request
    strength: float

    @property
    def label(self) -> str:
        """What stands above it in the picture."""
        return f"strength {self.strength:g}, seed {self.request.seed}: {self.request.prompt}"


def product_at(path: Path) -> Path:
    """What `--lora` means: a LoRA's file, the folder of a run or a publication, a whole trained transformer.

    Raises:
        ConfigError: when it is none of them.
    """
    places = (path, path / LORA, path / PRODUCTS["full"])
    found = next((place for place in places if weights_of(place).is_file()), None)
    if found is None:
        raise ConfigError(
            f"--lora {path}: there is no LoRA; give a .safetensors file, or a folder that holds {LORA}"
        )
    return found


def metadata_of(product: Path) -> dict[str, str]:
    """The strings in the header of a trained product."""
    return file_metadata(weights_of(product))


def make_grid(
    context: Context,
    product: Path,
    folder: Path,
    wish: Wish,
    *,
    trained_here: bool,
    progress: Progress | None = None,
) -> Iterator[Path]:
    """Generate, write each sample when it is there, then the picture and the index.

    Args:
        context: of the config; its mode is the LoRA's.
        product: the LoRA's file, or the folder of a transformer that was trained whole.
        folder: where to, unless the wish says it.
        wish: what is asked for.
        trained_here: whether the config's run made the LoRA, so that there is a dataset to take clips from.
        progress: called after every step with those done and all of the grid.

    Raises:
        LtxError: for a wish that cannot be met, or a LoRA that does not fit the model.
    """
    metadata = metadata_of(product)
    _check_base(context, product, metadata)
    rows = Rows(context, load_samples(context)[1] if trained_here else [])
    stated = sections(wish, context.config.validation.samples, context.config.training_strategy, metadata)
    requests = _requests(context, rows, stated, metadata)
    cells = _cells(requests, wish)
    _check_strengths(product, cells)
    encode_prompts(context, texts_of(context, requests))
    target = wish.folder or folder / f"sample-{_name(context, product, wish)}"
    modalities = _modalities(context, requests)
    velocity = open_velocity(context, product, modalities)
    velocity.model.eval()
    contexts = open_contexts(context, rows, modalities)
    made: dict[int, tuple[Path, Strip]] = {}
    for number, found in _generated(context, velocity, contexts, cells, progress):
        made[number] = (write_sample(target, found), _strip(cells, number, found))
        yield made[number][0]
    results = [made[number] for number in range(len(cells))]
    columns = len({cell.strength for cell in cells})
    write_atomic(target / SHEET, contact_sheet([strip for _, strip in results], columns=columns))
    yield target / SHEET
    write_atomic(target / INDEX, _index(context, product, wish, cells, [path for path, _ in results]))
    yield target / INDEX


def _generated(
    context: Context,
    velocity: Velocity,
    contexts: Contexts,
    cells: Sequence[Cell],
    progress: Progress | None,
) -> Iterator[tuple[int, Generated]]:
    """Each cell's number and sample, one strength after the other; each has the same samples, so steps."""
    strengths = list(dict.fromkeys(cell.strength for cell in cells))
    for place, strength in enumerate(strengths):

        def advance(done: int, steps: int, before: int = place) -> None:
            if progress is not None:
                progress(before * steps + done, len(strengths) * steps)

        numbers = [number for number, cell in enumerate(cells) if cell.strength == strength]
        set_strength(velocity.model, strength)
        with velocity.base() if strength == 0 else nullcontext():
            wanted = [cells[number].request for number in numbers]
            for index, found in generate_each(context, velocity, contexts, wanted, advance):
                yield numbers[index], found


def _check_strengths(product: Path, cells: Sequence[Cell]) -> None:
    wrong = sorted({cell.strength for cell in cells} - {0.0, 1.0})
    if product.is_dir() and wrong:
        raise ConfigError(
            f"strength {wrong[0]:g}: {product} is a transformer that was trained whole, which has strength 1 "
            "and, for the base model, 0; only a LoRA can act in part"
        )


def _modalities(context: Context, requests: Sequence[Request]) -> list[Modality]:
    """What the LoRA and the samples need of the model."""
    strategies = [context.config.training_strategy, *(r.strategy for r in requests if r.strategy is not None)]
    return [m for m in MODALITIES if any(m in strategy.streams for strategy in strategies)]


def _requests(
    context: Context, rows: Rows, stated: Sequence[Any], metadata: Mapping[str, str]
) -> list[Request]:
    """One per prompt: the stated ones, else some held-out clips."""
    if not stated and not rows.samples:
        raise ConfigError("nothing to sample: add --prompt TEXT, or `validation.samples` to the config")
    if not stated:
        return sample_requests(context, rows, metadata)
    return [
        prompt_request(context, f"{number:02d}", section, metadata)
        for number, section in enumerate(stated, 1)
    ]


def _cells(requests: Sequence[Request], wish: Wish) -> list[Cell]:
    """Rows of the picture: prompts and their seeds; columns: strengths."""
    cells = []
    for request in requests:
        for seed in dict.fromkeys(wish.seeds or (request.seed,)):
            for strength in dict.fromkeys(wish.strengths or (1.0,)):
                name = f"{request.name}_seed{seed}_strength{strength:g}"
                cells.append(Cell(replace(request, name=name, seed=seed), strength))
    return cells


def _strip(cells: Sequence[Cell], number: int, found: Generated) -> Strip:
    """A sample's frames in the picture; fewer where several stand side by side."""
    columns = len({cell.strength for cell in cells})
    return strip_of(found, cells[number].label, max(3, SHEET_FRAMES // columns))


def _index(
    context: Context, product: Path, wish: Wish, cells: Sequence[Cell], paths: Sequence[Path]
) -> bytes:
    """What lies in the folder and what it was made with."""
    validation = context.config.validation.model_dump(mode="json", exclude={"samples"})
    entries = []
    for cell, path in zip(cells, paths, strict=True):
        request = cell.request
        strategy = request.strategy or context.config.training_strategy
        entries.append(
            {
                "file": path.name,
                "prompt": request.prompt,
                "seed": request.seed,
                "strength": cell.strength,
                "mode": strategy.mode,
                "roles": {name: str(stream.role) for name, stream in strategy.streams.items()},
                "conditions": {
                    name: [c.model_dump(mode="json", exclude={"probability"}) for c in stream.conditions]
                    for name, stream in strategy.streams.items()
                },
                "video_dims": _dims(context, request),
                "fps": None if request.batch.fps is None else float(request.batch.fps[0]),
                "seconds": request.seconds,
            }
        )
    facts = {
        "lora": str(product),
        "lora_digest": digest_file(weights_of(product)),
        "base_model": context.info.path.name,
        "base_model_fingerprint": base_fingerprint(context.info),
        **base_quantization(context.config),
        "software": f"ltx-flows {__version__}",
        "options": {name: value for name, value in asdict(wish).items() if value},
        "validation": validation,
        "picture": SHEET,
        "samples": entries,
    }
    return json.dumps(facts, indent=2, ensure_ascii=False, default=str).encode()


def _dims(context: Context, request: Request) -> list[int] | None:
    """Width, height and frames."""
    if request.batch.video is None:
        return None
    (frames, height, width), scale = request.batch.video.shape[2:], context.info.video_scale
    return [width * scale.width, height * scale.height, (frames - 1) * scale.time + 1]


def _name(context: Context, product: Path, wish: Wish) -> str:
    """Name of a folder: another for every other wish, the same for the same."""
    facts = [
        context.config.validation.model_dump(mode="json", exclude=set(MEASURING)),
        digest_file(weights_of(product)),
        asdict(wish),
        *base_quantization(context.config).values(),
    ]
    return digest(json.loads(json.dumps(facts, default=str)))[:8]


def _check_base(context: Context, product: Path, metadata: Mapping[str, str]) -> None:
    """Refuse a product of another model; warn of one of other weights, or of another quantisation of them."""
    for told in (check_transformer if product.is_dir() else check_lora)(product, context.info):
        logger.warning("%s", told)
    known = metadata.get("base_model_fingerprint")
    own = base_quantization(context.config).get("base_quantization", EXACT)
    trained = metadata.get("base_quantization", EXACT)
    if known is not None and trained != own and not product.is_dir():
        logger.warning(
            "%s was trained on a base with %s weights, and samples are made with %s ones: set "
            "acceleration.quantization=%s for what it learned",
            product,
            trained,
            own,
            "null" if trained == EXACT else trained,
        )
