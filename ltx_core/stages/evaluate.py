"""evaluate: held-out loss of base and LoRA, samples before and after, what each condition does, report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ltx_core.config.sections import MEASURING
from ltx_core.stages.base import Item, Stage, pending
from ltx_core.stages.context import Context
from ltx_core.stages.dataset import load_samples
from ltx_core.stages.folder import REPORT, SUMMARY, evaluation_of, folder_of, product_of, weights_of
from ltx_core.store.disk import explain, sync_folder, write_atomic
from ltx_core.store.keys import digest_file
from ltx_core.store.rows import PendingRow, Row


class Evaluate(Stage):
    """One row, keyed by the weights, the dataset and what the samples depend on."""

    name: ClassVar[str] = "evaluate"
    version: ClassVar[int] = 2
    single: ClassVar[bool] = True

    def section(self, context: Context) -> dict[str, Any]:
        """Samples with the files of their conditions, levels, guidance; not how often a training measures."""
        config = context.config
        files = [
            path
            for sample in config.validation.samples
            for condition in sample.conditions
            for path in condition.paths.values()
        ]
        return {
            "validation": config.validation.model_dump(mode="json", exclude={"interval", *MEASURING}),
            "files": [digest_file(path) if path.is_file() else "absent" for path in files],
            "strategy": config.training_strategy.model_dump(mode="json"),
            "name": config.name,
        }

    def fingerprint(self, context: Context) -> str:
        """The whole model: samples are decoded."""
        return context.info.fingerprint()

    def items(self, context: Context) -> list[Item]:
        """One."""
        ((_, data),) = context.results("dataset")
        ((_, run),) = context.results("train")
        key = self.key(context, [data.content_digest, run.content_digest, str(run.columns["run"])])
        return [Item(key, "", "evaluate", (data.row_key, run.row_key), run)]

    def valid(self, context: Context, row: Row) -> bool:
        """Whether the report is there, and of this evaluation: another one of the run replaces it."""
        folder = folder_of(context.config, row)
        return (folder / REPORT).is_file() and evaluation_of(folder) == row.row_key

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Measure, sample, write the report."""
        from ltx_core.evaluation.report_html import render
        from ltx_core.stages.measure import measure
        from ltx_core.stages.report import report_data

        for item in items:
            run: Row = item.payload
            folder = folder_of(context.config, run)
            _, samples = load_samples(context)
            _forget(folder)
            measured = measure(context, folder, samples)
            data = report_data(context, folder, measured)
            write_atomic(folder / REPORT, render(data).encode())
            summary = _summary(data)
            _write(folder, data, {"row": item.key, **summary})
            weights = digest_file(weights_of(product_of(context.config, folder)))
            columns = {"run": run.columns["run"], "report": REPORT, "weights": weights, **summary}
            yield pending(item, columns=columns, content={"weights": weights, **summary})

    def product(self, context: Context, row: Row) -> dict[str, Any]:
        """The numbers, the report, and the tables and pictures that artifacts show."""
        folder = folder_of(context.config, row)
        found = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        tables = [
            {"title": title, "columns": list(rows[0]), "rows": [list(entry.values()) for entry in rows]}
            for title, rows in found["tables"].items()
            if rows
        ]
        pictures = [str(path) for path in sorted((folder / "pictures").glob("*.png"))]
        paths = {"run": str(folder), "report": str(folder / REPORT)}
        return {**super().product(context, row), **paths, "tables": tables, "pictures": pictures}


def _forget(folder: Path) -> None:
    """Take away the numbers of an earlier evaluation before new samples take the place of its own.

    After a kill between the two it would else look whole to the config that it was of.
    """
    try:
        (folder / SUMMARY).unlink(missing_ok=True)
        sync_folder(folder)
    except OSError as error:
        raise explain(error, folder / SUMMARY) from error


def _summary(data: Any) -> dict[str, Any]:
    """Numbers for the row."""
    from ltx_core.evaluation.report import changes, verdict
    from ltx_core.evaluation.rows import LOSS, VARIANTS

    found: dict[str, Any] = {"verdict": verdict(data).sentence}
    for change in changes(data.heldout):
        found[f"heldout_{change.modality}_base"] = change.base
        found[f"heldout_{change.modality}_lora"] = change.lora
    for row in data.influence:
        if row.measure == LOSS:
            for variant in VARIANTS:
                found[f"{row.condition}_{variant}_loss"] = getattr(row, variant)
    return found


def _write(folder: Path, data: Any, summary: dict[str, Any]) -> None:
    """Tables as JSON and Markdown, and small pictures, for those who show the row."""
    from ltx_core.evaluation.report_tables import markdown_summary, tables, thumbnails

    content = {
        **summary,
        "heldout": [row.as_dict() for row in data.heldout],
        "influence": [row.as_dict() for row in data.influence],
        "tables": tables(data),
    }
    write_atomic(folder / "summary.md", markdown_summary(data).encode())
    for name, picture in thumbnails(data).items():
        write_atomic(folder / "pictures" / f"{name}.png", picture)
    write_atomic(folder / SUMMARY, json.dumps(content, indent=2, default=str).encode())
