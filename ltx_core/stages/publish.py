"""publish: the product in a folder of its own: weights, model card, lineage, report, samples.

The row's key says what the product and its card depend on: weights, evaluation, the best step, what is stated
of licences. Nothing in the folder holds a secret or a folder of this machine (`evaluation.scrub`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ltx_core.config.load import dump
from ltx_core.stages.base import Item, Stage, pending
from ltx_core.stages.context import Context
from ltx_core.stages.dataset import RIGHTS
from ltx_core.stages.folder import LINEAGE, REPORT, folder_of, product_of, weights_of
from ltx_core.store.keys import digest, digest_bytes
from ltx_core.store.rows import PendingRow, Row

if TYPE_CHECKING:
    from ltx_core.evaluation.card import Content
    from ltx_core.evaluation.report import ReportData

TABLES = "tables"
"""In the lineage: digests of the tables beside it."""


class Publish(Stage):
    """One row, keyed by the weights and the evaluation."""

    name: ClassVar[str] = "publish"
    version: ClassVar[int] = 2
    single: ClassVar[bool] = True

    def section(self, context: Context) -> dict[str, Any]:
        """The name of the folder, further forms of the weights, and the licence that the card states."""
        config = context.config
        forms = list(config.checkpoints.formats)
        stated = {"license": config.hub.license} if config.hub.license else {}
        return {"name": config.name, **({"formats": forms} if forms else {}), **stated}

    def items(self, context: Context) -> list[Item]:
        """One."""
        from ltx_core.training.judging import read_best

        ((_, row),) = context.results("evaluate")
        ((_, data),) = context.results("dataset")
        # The evaluation's content is weights and losses; its films and prompts are known by its key alone.
        inputs = [row.content_digest, str(row.columns["run"]), row.row_key]
        best = read_best(folder_of(context.config, row))
        if best is not None:
            inputs.append(digest(["best", best["step"], best["value"]]))
        if rights := data.columns.get(RIGHTS):
            inputs.append(digest(["rights", str(rights)]))
        return [Item(self.key(context, inputs), "", "publish", (row.row_key, data.row_key), row)]

    def valid(self, context: Context, row: Row) -> bool:
        """Whether the folder is whole and holds this row's product: another run of the name replaces it."""
        folder = context.config.workspace / str(row.columns["folder"])
        weights = weights_of(product_of(context.config, folder))
        whole = weights.is_file() and weights.stat().st_size == row.columns.get("weights_bytes")
        return whole and published_key(folder) == row.row_key

    def product(self, context: Context, row: Row) -> dict[str, Any]:
        """The published folder, the product in it and the report."""
        run = folder_of(context.config, row)
        folder = context.config.workspace / str(row.columns["folder"])
        product = product_of(context.config, folder)
        return {
            "folder": str(folder),
            "product": str(product),
            "run": str(run),
            "report": str(run / REPORT),
        }

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Write the folder whole or not at all."""
        for item in items:
            row: Row = item.payload
            relative = Path("published") / context.config.name
            folder = context.config.workspace / relative
            _publish(context, item.key, folder_of(context.config, row), folder)
            columns = {
                "folder": relative.as_posix(),
                "run": row.columns["run"],
                "report": row.columns["report"],
                "weights_bytes": weights_of(product_of(context.config, folder)).stat().st_size,
            }
            yield pending(item, columns=columns, content={"published": digest([row.content_digest])})


def _publish(context: Context, key: str, run: Path, folder: Path) -> None:
    from ltx_core.evaluation.card import publish
    from ltx_core.models.safetensors_file import file_metadata
    from ltx_core.stages import publication
    from ltx_core.stages.report import read_measured, report_data

    config = context.config
    product, secrets = product_of(config, run), publication.secrets_of(config)
    best = publication.best_of(config, run)
    stated = dump(config)
    files = {
        **_files(run, stated),
        "config.yaml": stated.encode(),
        **publication.weights_in_forms(context, product, best),
    }
    data = replace(report_data(context, run, read_measured(run)), config_yaml=stated)
    tables = publication.tables(context, data, secrets)
    details = publication.details(context, run)
    samples = [name for name in files if name.startswith("samples/")]
    facts = publication.card_facts(context, details, str(data.lineage["dataset"]), best, samples)
    told = {**details, "best": None if best is None else dict(best.facts)}
    data = _with_lineage(
        data, {**told, TABLES: {name: digest_bytes(table) for name, table in tables.items()}}
    )
    data = _with_lineage(data, {"published": key})
    metadata = file_metadata(weights_of(product))
    publish(folder, product, metadata, data, {**files, **tables}, facts, secrets)


def _files(run: Path, stated: str) -> dict[str, Content]:
    """Report and samples of a run, by their paths in the published folder; the report with this config."""
    from ltx_core.evaluation.report_html import with_config

    page = (run / REPORT).read_text(encoding="utf-8")
    files: dict[str, Content] = {REPORT: with_config(page, stated).encode()}
    for path in sorted((run / "samples" / "after").glob("*")):
        files[f"samples/{path.name}"] = path
    return files


def _with_lineage(data: ReportData, more: Mapping[str, Any]) -> ReportData:
    return replace(data, lineage={**data.lineage, **more})


def published_key(folder: Path) -> str:
    """Key of the row whose product lies in a published folder, or ""."""
    try:
        lineage = json.loads((folder / LINEAGE).read_text(encoding="utf-8"))
        return str(lineage["lineage"]["published"])
    except (OSError, ValueError, KeyError):
        return ""
