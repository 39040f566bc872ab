"""`ltx config migrate`: a config file in an older form, written anew in today's."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ltx_core.config.legacy import Change
from ltx_core.config.load import build, read_raw, run_name
from ltx_core.config.migrate import migrate
from ltx_core.config.root import Config
from ltx_core.errors import ConfigError, LegacyConfigWarning
from ltx_core.store.disk import write_atomic

WIDTH = 110


class _Dumper(yaml.SafeDumper):
    """Sections as blocks; numbers beside one another and conditions on one line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _list(dumper: _Dumper, value: list[Any]) -> yaml.Node:
    short = all(isinstance(item, int | float) for item in value)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=short)


def _dict(dumper: _Dumper, value: dict[str, Any]) -> yaml.Node:
    line = "type" in value or not value
    return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=line)


_Dumper.add_representer(list, _list)
_Dumper.add_representer(dict, _dict)


def migrated(path: Path, output: Path | None, base_dir: Path) -> tuple[str, list[Change]]:
    """The YAML text of today's form of the config `path`, and what changed; no text where nothing did.

    It holds what was stated, in the files that `path` extends too, and resolves to the same config.

    Args:
        path: the config file.
        output: the file that the text is for; None: not known, so that the run's name is stated.
        base_dir: folder that relative paths are relative to.

    Raises:
        ConfigError: when the config is wrong in whatever form.
    """
    raw = read_raw(path)
    today, changes = migrate(raw, str(path))
    if output is not None and today["name"] == run_name(output):
        del today["name"]
    # Read as a whole before it is written: a wrong config has no form.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LegacyConfigWarning)
        build(raw, base_dir, str(path))
    return (_text(path, today, changes) if changes else ""), changes


def write_migrated(path: Path, output: Path, base_dir: Path, *, force: bool = False) -> list[Change]:
    """Write today's form of the config `path` to `output`; returns what changed, nothing where nothing did.

    Raises:
        ConfigError: when the config is wrong, or `output` exists and `force` is not set.
        StoreError: when `output` cannot be written.
    """
    text, changes = migrated(path, output, base_dir)
    if not changes:
        return []
    if output.exists() and not force:
        raise ConfigError(f"{output} exists already; name another file with -o, or replace it with --force")
    write_atomic(output, text.encode())
    return changes


def _text(path: Path, today: Mapping[str, Any], changes: list[Change]) -> str:
    lines = [f"{path.name} in today's form, written by `ltx config migrate`. What changed:"]
    lines += [f"  {change}" for change in changes]
    order = [name for name in Config.model_fields if name in today]
    values = {name: today[name] for name in order}
    body = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH)
    return "".join(f"# {line}\n" for line in lines) + body
