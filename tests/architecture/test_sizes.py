"""Files below 300 lines, functions below 50, each file with a word on what it is for."""

from __future__ import annotations

import ast
from pathlib import Path

from source_imports import ROOT, parsed

FOLDERS = ("flows", "tasks", "ltx_core", "benchmarks", "data", "tests")
MAX_FILE, MAX_FUNCTION = 300, 50


def sources() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def test_files_are_short():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources()}
    assert {name: length for name, length in lengths.items() if length >= MAX_FILE} == {}


def test_functions_are_short():
    long = []
    for path in sources():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name} has {length} lines")
    assert long == []


def test_every_file_says_what_it_is_for():
    packages = [path for path in sources() if "tests" not in path.relative_to(ROOT).parts]
    assert [str(path.relative_to(ROOT)) for path in packages if not ast.get_docstring(parsed(path))] == []


def test_a_flow_can_be_read_aloud():
    for name in ("train_lora", "prepare_dataset", "retrain", "stages"):
        assert len((ROOT / "flows" / f"{name}.py").read_text().splitlines()) <= 45
