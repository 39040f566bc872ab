"""`ltx sample`: a grid of samples over prompts, seeds and LoRA strengths, each a file, and one picture."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ltx_core import __version__
from ltx_core.config.wishes import Wish, sections
from ltx_core.errors import ConfigError
from ltx_core.media.sheet import Strip, contact_sheet
from ltx_core.models.lora_file import read_lora
from ltx_core.models.lora_strength import set_strength
from ltx_core.modes import Strategy
from ltx_core.stages.batches import Rows, open_contexts
from ltx_core.stages.context import Context
from ltx_core.stages.dataset import load_samples
from ltx_core.stages.generate import Generated, Request, generate_each, prompt_request
from ltx_core.stages.hooks import sample_requests
from ltx_core.stages.network import open_velocity
from ltx_core.stages.prompts import encode_prompts
from ltx_core.stages.report import base_fingerprint
from ltx_core.stages.samples import SHEET, SHEET_FRAMES, strip_of, write_sample
from ltx_core.store.disk import write_atomic
from ltx_core.store.keys import digest, digest_file

logger = logging.getLogger(__name__)
INDEX = "index.json"


@dataclass(frozen=True)
class Cell:
    """One sample of the grid."""

    request: Request
    strength: float

    @property
    def label(self) -> str:
        """What stands above it in the picture."""
        return f"strength {self.strength:g}, seed {self.request.seed}: {self.request.prompt}"


def strategy_of(metadata: Mapping[str, str]) -> Strategy | None:
    """The mode that a LoRA was trained in, from its metadata; None where it does not state it."""
    try:
        return Strategy.model_validate_json(metadata.get("training_strategy", ""))
    except ValueError:
        return None


def make_grid(
    context: Context, lora: Path, folder: Path, wish: Wish, *, trained_here: bool
) -> Iterator[Path]:
    """Generate, write each sample when it is there, then the picture and the index.

    Args:
        context: of the config; its mode is the LoRA's.
        lora: the LoRA's file.
        folder: where to, unless the wish says it.
        wish: what is asked for.
        trained_here: whether the config's run made the LoRA, so that there is a dataset to take clips from.

    Raises:
        LtxError: for a wish that cannot be met, or a LoRA that does not fit the model.
    """
    metadata = read_lora(lora).metadata
    _warn_of_another_base(context, lora, metadata)
    rows = Rows(context, load_samples(context)[1] if trained_here else [])
    stated = sections(wish, context.config.validation.samples, context.config.training_strategy, metadata)
    requests = _requests(context, rows, stated, metadata)
    cells = _cells(requests, wish)
    encode_prompts(context, [context.config.validation.negative_prompt, *(r.prompt for r in requests)])
    target = wish.folder or folder / f"sample-{_name(context, lora, wish)}"
    velocity = open_velocity(context, lora)
    velocity.model.eval()
    contexts = open_contexts(context, rows)
    facts: dict[int, tuple[Path, Strip]] = {}
    for strength in dict.fromkeys(cell.strength for cell in cells):
        set_strength(velocity.model, strength)
        numbers = [number for number, cell in enumerate(cells) if cell.strength == strength]
        wanted = [cells[number].request for number in numbers]
        for index, found in generate_each(context, velocity, contexts, wanted):
            number = numbers[index]
            facts[number] = (write_sample(target, found), _strip(cells, number, found))
            yield facts[number][0]
    made = [facts[number] for number in range(len(cells))]
    columns = len({cell.strength for cell in cells})
    write_atomic(target / SHEET, contact_sheet([strip for _, strip in made], columns=columns))
    yield target / SHEET
    write_atomic(target / INDEX, _index(context, lora, cells, [path for path, _ in made]))
    yield target / INDEX


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


def _index(context: Context, lora: Path, cells: Sequence[Cell], paths: Sequence[Path]) -> bytes:
    """What lies in the folder and what it was made with."""
    validation = context.config.validation.model_dump(mode="json", exclude={"samples"})
    entries = []
    for cell, path in zip(cells, paths, strict=True):
        request, video = cell.request, cell.request.batch.video
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
                "latent_shape": None if video is None else list(video.shape[1:]),
                "seconds": request.seconds,
            }
        )
    facts = {
        "lora": str(lora),
        "lora_digest": digest_file(lora),
        "base_model": context.info.path.name,
        "base_model_fingerprint": base_fingerprint(context.info),
        "software": f"ltx-flows {__version__}",
        "validation": validation,
        "picture": SHEET,
        "samples": entries,
    }
    return json.dumps(facts, indent=2, ensure_ascii=False).encode()


def _name(context: Context, lora: Path, wish: Wish) -> str:
    """Name of a folder: another for every other wish, the same for the same."""
    facts = [context.config.validation.model_dump(mode="json"), digest_file(lora), asdict(wish)]
    return digest(json.loads(json.dumps(facts, default=str)))[:8]


def _warn_of_another_base(context: Context, lora: Path, metadata: Mapping[str, str]) -> None:
    known = metadata.get("base_model_fingerprint")
    if known is not None and known != base_fingerprint(context.info):
        logger.warning(
            "%s was trained on another base model (%s) than %s: results may be worse than what it can do",
            lora,
            metadata.get("base_model", "unknown"),
            context.info.path.name,
        )
