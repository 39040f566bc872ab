"""publish: the product in a folder of its own: weights, model card, lineage, report, samples."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from ltx_core.stages.base import Item, Stage, pending
from ltx_core.stages.context import Context
from ltx_core.stages.folder import LINEAGE, REPORT, folder_of, product_of, weights_of
from ltx_core.store.keys import digest
from ltx_core.store.rows import PendingRow, Row


class Publish(Stage):
    """One row, keyed by the weights and the evaluation."""

    name: ClassVar[str] = "publish"
    single: ClassVar[bool] = True

    def section(self, context: Context) -> dict[str, Any]:
        """The name of the folder, and further forms of the weights."""
        forms = list(context.config.checkpoints.formats)
        return {"name": context.config.name, **({"formats": forms} if forms else {})}

    def items(self, context: Context) -> list[Item]:
        """One."""
        ((_, row),) = context.results("evaluate")
        key = self.key(context, [row.content_digest, str(row.columns["run"])])
        return [Item(key, "", "publish", (row.row_key,), row)]

    def valid(self, context: Context, row: Row) -> bool:
        """Whether the folder is whole and holds this row's product: another run of the name replaces it."""
        folder = context.config.workspace / str(row.columns["folder"])
        weights = weights_of(product_of(context.config, folder))
        whole = weights.is_file() and weights.stat().st_size == row.columns.get("weights_bytes")
        return whole and _published(folder) == row.row_key

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
        from ltx_core.evaluation.card import Content, publish
        from ltx_core.models.safetensors_file import file_metadata
        from ltx_core.stages.export import writers
        from ltx_core.stages.report import read_measured, report_data

        for item in items:
            row: Row = item.payload
            run = folder_of(context.config, row)
            product = product_of(context.config, run)
            metadata = file_metadata(weights_of(product))
            data = report_data(context, run, read_measured(run))
            data = replace(data, lineage={**data.lineage, "published": item.key})
            relative = Path("published") / context.config.name
            files: dict[str, Content] = {REPORT: run / REPORT, "config.yaml": run / "config.yaml"}
            files |= writers(context.config.checkpoints.formats, product, context.info)
            for path in sorted((run / "samples" / "after").glob("*")):
                files[f"samples/{path.name}"] = path
            publish(context.config.workspace / relative, product, metadata, data, files)
            columns = {
                "folder": relative.as_posix(),
                "run": row.columns["run"],
                "report": row.columns["report"],
                "weights_bytes": weights_of(product).stat().st_size,
            }
            yield pending(item, columns=columns, content={"published": digest([row.content_digest])})


def _published(folder: Path) -> str:
    """Key of the row whose product lies in a published folder, or ""."""
    try:
        lineage = json.loads((folder / LINEAGE).read_text(encoding="utf-8"))
        return str(lineage["lineage"]["published"])
    except (OSError, ValueError, KeyError):
        return ""
