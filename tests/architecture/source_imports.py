"""What imports what, read from the source: every import counts, also inside functions and for types only."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("flows", "tasks", "ltx_core")

ROOMS = (
    ("errors",),
    ("geometry", "media"),
    ("diffusion", "store"),
    ("conditions", "models", "curation"),
    ("encoding",),
    ("modes", "sources"),
    ("assemble",),
    ("training", "sampling"),
    ("evaluation",),
    ("config",),
    ("stages",),
    ("run",),
    ("__main__",),
)
"""The rooms of ltx_core; a room imports only rooms of earlier lines."""
LEVEL = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}


def parsed(path: Path) -> ast.Module:
    """A file's syntax tree.

    Python 3.11 counts depth wrong when a collection runs code of its own meanwhile ("AST constructor
    recursion depth mismatch"), so nothing is collected.
    """
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        gc.enable()


@dataclass(frozen=True)
class Import:
    """One import of one module by another."""

    source: str
    target: str
    line: int
    for_types: bool


def files() -> list[Path]:
    """Every source file of the packages."""
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def module_name(path: Path) -> str:
    """`ltx_core.store.rows` of its path."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The room of a module of ltx_core; "" for the package itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def all_imports() -> list[Import]:
    """Every import of every file."""
    known = {module_name(path) for path in files()}
    return [found for path in files() for found in _imports(path, known)]


def _imports(path: Path, known: set[str]) -> Iterator[Import]:
    source = module_name(path)
    tree = parsed(path)
    for_types = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        for target in _targets(node, source, path.name == "__init__.py", known):
            yield Import(source, target, node.lineno, id(node) in for_types)


def _targets(node: ast.AST, source: str, package: bool, known: set[str]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        parts = source.split(".")
        up = parts[: len(parts) - node.level + (1 if package else 0)]
        base = ".".join([*up, base] if base else up)
    return [f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base for alias in node.names]
