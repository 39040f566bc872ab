"""A user's own function by import path, `package.module:function`: found, told apart by its content, called.

Design choices
- A plan imports nothing of a user's: the module's file is found as Python would find it, in the folder in
  which the command is run first, and is read as text.
- A row's key has the path and the module's `VERSION` where it states one as a plain value, else the digest
  of its file. So a module that reads others states a `VERSION` and raises it.
"""

from __future__ import annotations

import ast
import gc
import importlib
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import numpy as np

from ltx_core.errors import LtxError
from ltx_core.store.keys import digest_bytes

FORM = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def check_path(option: str, path: str) -> None:
    """Refuse what is no import path.

    Raises:
        ValueError: else.
    """
    if FORM.fullmatch(path) is None:
        raise ValueError(
            f"{option} is {path!r}; name a function as package.module:function, importable in the folder in "
            "which the command is run"
        )


def mark(path: str) -> str:
    """What tells a function from its other versions: its module's `VERSION`, else the digest of its file.

    Raises:
        LtxError: when there is no such module, or it has no file.
    """
    file = module_file(path)
    stat = file.stat()
    return _mark(file, stat.st_size, stat.st_mtime_ns)


def module_file(path: str) -> Path:
    """The file of a function's module, found without importing anything.

    Raises:
        LtxError: when there is none.
    """
    parts = path.partition(":")[0].split(".")
    places, origin = _places(), None
    importlib.invalidate_caches()
    for number in range(len(parts)):
        module = ".".join(parts[: number + 1])
        spec = PathFinder.find_spec(module, places)
        if spec is None:
            raise LtxError(
                f"{path}: there is no module {module}; put it into the folder in which the command is run "
                f"({Path.cwd()}), or install it"
            )
        places, origin = list(spec.submodule_search_locations or ()), spec.origin
    if origin is None or not Path(origin).is_file():
        raise LtxError(f"{path}: {module} is a folder without __init__.py; name a module in it")
    return Path(origin)


@lru_cache(maxsize=64)
def load(path: str) -> Callable[..., Any]:
    """The function.

    Raises:
        LtxError: when its module cannot be imported or has none of this name.
    """
    module, _, name = path.partition(":")
    module_file(path)
    if sys.path[:1] != [""] and str(Path.cwd()) not in sys.path[:1]:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), name, None)
    except Exception as error:
        raise LtxError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(found):
        what = "no function of this name" if found is None else f"{name} is a {type(found).__name__}"
        raise LtxError(f"{path}: {what} in {module}; name a function or class that is in it")
    result: Callable[..., Any] = found
    return result


def call(path: str, *given: Any) -> Any:
    """What the function returns; arrays are given as copies, so that it may write into them.

    Raises:
        LtxError: of its own kind as it is; for anything else that it raises, an error that names it.
    """
    function = load(path)
    arguments = [value.copy() if isinstance(value, np.ndarray) else value for value in given]
    try:
        return function(*arguments)
    except LtxError:
        raise
    except Exception as error:
        raise LtxError(f"{path} raised {type(error).__name__}: {error}") from error


def described(value: Any) -> str:
    """A returned value in words, for errors."""
    if isinstance(value, np.ndarray):
        return f"an array {list(value.shape)} of {value.dtype}"
    return f"a {type(value).__module__}.{type(value).__name__}".replace("builtins.", "")


def _places() -> list[str]:
    """Where modules are looked for: what a worker, started in this folder, looks through."""
    own = str(Path.cwd())
    return [own, *(place or own for place in sys.path)]


@lru_cache(maxsize=64)
def _mark(file: Path, size: int, changed: int) -> str:
    source = file.read_bytes()
    version = _version(source)
    return f"digest {digest_bytes(source)}" if version is None else f"VERSION {version!r}"


def _parsed(source: bytes) -> ast.Module:
    """The tree of a source.

    Python 3.11 counts how deep the nodes that it makes lie, with the thread's depth of calls. Where a
    garbage collection runs Python code meanwhile (a finaliser, a callback), the two may end apart, and it
    raises SystemError: AST constructor recursion depth mismatch. So none runs until the tree is there.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        if collects:
            gc.enable()


def _version(source: bytes) -> Any:
    """The value of a plain `VERSION = ...` at the top level, or None."""
    try:
        body = _parsed(source).body
    except (SyntaxError, ValueError):
        return None
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == "VERSION" for target in targets):
            assert isinstance(node, ast.Assign)
            try:
                return ast.literal_eval(node.value)
            except ValueError:
                return None
    return None
