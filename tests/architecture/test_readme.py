"""The README's tree is the disk: what it names exists, and a folder that it opens is listed whole."""

from __future__ import annotations

import re
import subprocess

import pytest
from source_imports import ROOT

LINE = re.compile(r"^(?P<indent> *)(?P<name>[\w.-]+/?)(?:\s{2,}\S.*)?$")


def tree() -> list[str]:
    """Paths of the README's tree: the fenced block that names `ltx_core/`, one name per line."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    block = next(block for block in blocks if re.search(r"^ *ltx_core/", block, re.MULTILINE))
    paths: list[str] = []
    parents: list[tuple[int, str]] = []
    for line in block.splitlines():
        found = LINE.match(line)
        if not found:
            continue
        indent = len(found["indent"])
        parents = [parent for parent in parents if parent[0] < indent]
        paths.append("".join(name for _, name in parents) + found["name"])
        if found["name"].endswith("/"):
            parents.append((indent, found["name"]))
    return paths


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("no git checkout")
    return listed.stdout.splitlines()


def test_what_the_tree_names_exists():
    assert [path for path in tree() if not (ROOT / path).exists()] == []


def test_a_folder_that_the_tree_opens_is_listed_whole(tracked: list[str]):
    listed = set(tree())
    opened = {path.rstrip("/").rpartition("/")[0] for path in listed}
    missing = set()
    for path in tracked:
        parts = path.split("/")
        for depth in range(len(parts)):
            folder, is_file = "/".join(parts[:depth]), depth == len(parts) - 1
            name = "/".join(parts[: depth + 1]) + ("" if is_file else "/")
            if folder in opened and name not in listed and parts[depth] not in ("__init__.py", ".gitignore"):
                missing.add(name)
    assert sorted(missing) == []
