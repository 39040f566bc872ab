"""What a task run shows on Prefect's pages: counts, reasons, tables and small pictures, as one text."""

from __future__ import annotations

import base64
import mimetypes
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect.artifacts import create_markdown_artifact
from prefect.context import TaskRunContext

PICTURE_BYTES = 1_000_000
"""The pictures of one artifact together; it is a row in Prefect's database."""
SUMMARY = "summary.md"
"""The report's tables as markdown, in a run's folder."""
MAX_REJECTED = 50
"""Rejected inputs named one by one; the rest is counted."""


def record(stage: str, manifest: Mapping[str, Any], workspace: Path, more: str = "") -> None:
    """Write the artifact of a task run, with `more` of it; outside a run there is nobody to show it to."""
    if TaskRunContext.get() is None:
        return
    summary = workspace / str(manifest.get("run", "")) / SUMMARY
    text = summary.read_text(encoding="utf-8") if stage == "evaluate" and summary.is_file() else more
    key = stage.replace("_", "-")
    create_markdown_artifact(markdown(stage, manifest, text), key=key, description=f"Stage {stage}")


def markdown(stage: str, manifest: Mapping[str, Any], summary: str = "") -> str:
    """The text of a stage's artifact: its numbers, what was rejected and why, `summary`, the pictures."""
    pairs = manifest.get("rejected") or []
    numbers = [(name, value) for name, value in manifest.items() if isinstance(value, int | float | str)]
    parts = [f"## {stage}", table(("what", "value"), [*numbers, ("rejected", len(pairs))])]
    if pairs:
        parts += [
            "### Rejected",
            table(("reason", "count"), Counter(str(reason) for _, reason in pairs).most_common()),
        ]
        parts.append(table(("what", "reason"), pairs[:MAX_REJECTED]))
    for entry in manifest.get("tables") or []:
        parts += [f"### {entry.get('title', '')}", table(entry["columns"], entry["rows"])]
    parts += [summary] if summary else []
    parts += pictures(manifest.get("pictures") or [])
    return "\n\n".join(parts)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def pictures(paths: Iterable[str]) -> list[str]:
    """Pictures as markdown with their bytes inside (a page may not read files); too large ones as paths."""
    left, parts = PICTURE_BYTES, []
    for path in map(Path, paths):
        kind = mimetypes.guess_type(path.name)[0] or ""
        if not (kind.startswith("image/") and path.is_file() and path.stat().st_size <= left):
            parts.append(f"`{path}`")
            continue
        left -= path.stat().st_size
        parts.append(f"![{path.stem}](data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()})")
    return parts


def _cell(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
