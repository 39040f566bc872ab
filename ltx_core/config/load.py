"""Reading a config: YAML by safe load, `extends`, `key=value` overrides, errors that say what to write.

Relative paths are relative to the current folder (or `base_dir`), wherever the YAML file lies, as in the
public trainer: a config can be copied without its paths changing their meaning.
"""

from __future__ import annotations

import difflib
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ltx_core.conditions import FILE_CONDITIONS
from ltx_core.config.explain import explain
from ltx_core.config.kind_uses import located as locate_models
from ltx_core.config.migrate import deprecation, migrate
from ltx_core.config.root import Config
from ltx_core.config.source_list import check_endpoint, located
from ltx_core.config.sources import repository
from ltx_core.errors import ConfigError, LegacyConfigWarning
from ltx_core.models.hub import is_downloaded

PATH_FIELDS = (
    ("workspace",),
    ("output_dir",),
    ("model", "model_path"),
    ("model", "text_encoder_path"),
    ("model", "video_vae_path"),
    ("model", "audio_vae_path"),
    ("model", "load_checkpoint"),
    ("data", "preprocessed_data_root"),
    ("trackio", "dir"),
)
"""Where paths stand; they are made absolute when the config is read."""
WORDS = {"load_checkpoint": "latest"}
"""Words that stand in place of a path; a folder of that name is written `./latest`."""
FILE_FIELDS = frozenset(name for condition in FILE_CONDITIONS for name in condition.FILES)
"""Where paths stand in a condition of a sample."""


def load(path: Path, overrides: Sequence[str] = (), base_dir: Path | None = None) -> Config:
    """The resolved config of the YAML file `path`.

    Args:
        path: the YAML file; its name is the run's name unless it states `name`.
        overrides: `key=value` with dotted keys; values are YAML.
        base_dir: folder that relative paths are relative to; the current one by default.

    Raises:
        ConfigError: for a missing file, broken YAML, an unknown key, a wrong type or value.
    """
    return build(read_raw(path, overrides), base_dir or Path.cwd(), str(path))


def read_raw(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """What the YAML file `path`, those that it extends, and the overrides state, unchecked.

    Raises:
        ConfigError: for a missing file, broken YAML, an override that is no `key=value`.
    """
    raw = _read(Path(path), ())
    for override in overrides:
        _override(raw, override)
    raw.setdefault("name", run_name(path))
    return raw


def run_name(path: Path) -> str:
    """The name of a run whose config states none: that of its file in plain letters."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(path).stem).strip(".-_") or "run"


def build(raw: Mapping[str, Any], base_dir: Path, origin: str) -> Config:
    """The config of a plain mapping, with absolute paths; older forms are taken with a warning.

    Raises:
        ConfigError: naming each wrong key, what was found and the rule.
    """
    today, changes = migrate(raw, origin)
    try:
        config = Config.model_validate(_absolute(today, base_dir))
    except ValidationError as error:
        lines = [explain(dict(item)) for item in error.errors()]
        lines += [f"(read from the older form {change})" for change in changes]
        raise ConfigError(f"{origin}: {error.error_count()} error(s)\n  " + "\n  ".join(lines)) from None
    if changes:
        warnings.warn(deprecation(origin, changes), LegacyConfigWarning, stacklevel=2)
    return config


def dump(config: Config) -> str:
    """The resolved config as YAML; `build` of it gives the same config."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in seen:
        raise ConfigError(f"{path}: `extends` leads back to itself; remove one `extends`")
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"config {path} does not exist (looked in {path.absolute().parent}); {_neighbour(path)}"
            "`ltx init FOLDER MODEL` writes one"
        ) from None
    except IsADirectoryError:
        raise ConfigError(
            f"{path} is a folder; give a YAML file. `ltx init {path} MODEL` writes one"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path} cannot be read as YAML: {error}") from None
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} holds a {type(raw).__name__}; a config is a mapping of sections")
    parent = raw.pop("extends", None)
    if parent is None:
        return raw
    return _merge(_read(path.parent / str(parent), (*seen, path.resolve())), raw)


def _neighbour(path: Path) -> str:
    names = [found.name for found in path.absolute().parent.glob("*.yaml")]
    close = difflib.get_close_matches(path.name, names, 1)
    return f"did you mean {close[0]!r}? " if close else ""


def _merge(base: dict[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        old = merged.get(key)
        # The strategy is one statement: a mode without audio must not inherit the base's audio.
        if isinstance(old, dict) and isinstance(value, Mapping) and key != "training_strategy":
            merged[key] = _merge(old, value)
        else:
            merged[key] = value
    return merged


def _override(raw: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ConfigError(f"override {override!r} is not key=value, for example optimization.steps=500")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"override {override!r}: the value is no YAML: {error}") from None
    *parents, last = key.split(".")
    node: Any = raw
    for parent in parents:
        node = node.setdefault(parent, {}) if isinstance(node, dict) else None
        if node is None:
            raise ConfigError(f"override {override!r}: {parent!r} is no section")
    if not isinstance(node, dict):
        raise ConfigError(f"override {override!r}: {'.'.join(parents)!r} is no section")
    node[last] = _number(value)


def _number(value: Any) -> Any:
    """YAML 1.1 reads `1e-4` as text; a person who writes it means the number."""
    if isinstance(value, str):
        try:
            return float(value) if "e" in value.lower() else value
        except ValueError:
            return value
    return value


def _absolute(raw: dict[str, Any], base_dir: Path) -> dict[str, Any]:
    for field in PATH_FIELDS:
        *parents, last = field
        node: Any = raw
        for parent in parents:
            node = node.get(parent) if isinstance(node, dict) else None
        word = WORDS.get(last)
        if isinstance(node, dict) and isinstance(node.get(last), str | os.PathLike) and node[last] != word:
            here = _resolve(str(node[last]), base_dir)
            of_hub = last == "model_path" and not here.exists() and is_downloaded(str(node[last]))
            node[last] = str(node[last]) if of_hub else str(here)
    _locate_media(raw.get("dataset"), base_dir)
    _locate_captioner(raw.get("dataset"), base_dir)
    locate_models(raw.get("dataset"), lambda text: _resolve(text, base_dir))
    for condition in _file_conditions(raw):
        for name in FILE_FIELDS & condition.keys():
            if isinstance(condition[name], str):
                condition[name] = str(_resolve(condition[name], base_dir))
    model = raw.get("model")
    source = model.get("model_source") if isinstance(model, dict) else None
    held = repository(source) if isinstance(source, str) else "data/model"
    defaults = {"workspace": "workspace", "model.model_path": held, "dataset.source": "data/footage"}
    for name, default in defaults.items():
        section, _, key = name.rpartition(".")
        node = raw.setdefault(section, {}) if section else raw
        if isinstance(node, dict):
            node.setdefault(key, str(_resolve(default, base_dir)))
    return raw


def _locate_media(dataset: Any, base_dir: Path) -> None:
    """Make the paths of sources absolute; addresses of objects are none."""
    if not isinstance(dataset, dict):
        return
    if "source" in dataset:
        dataset["source"] = located(dataset["source"], lambda text: str(_resolve(text, base_dir)))
    store = dataset.get("object_store")
    if isinstance(store, dict):
        check_endpoint(store.get("endpoint"))


def _locate_captioner(dataset: Any, base_dir: Path) -> None:
    """Make the path of a captioner's model absolute where it is a folder and no server's name."""
    captions = dataset.get("captions") if isinstance(dataset, dict) else None
    if isinstance(captions, dict) and captions.get("captioner") == "transformers" and captions.get("model"):
        captions["model"] = str(_resolve(str(captions["model"]), base_dir))


def _file_conditions(raw: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The conditions of `validation.samples`, as far as they are what they should be."""
    validation = raw.get("validation")
    samples = validation.get("samples") if isinstance(validation, dict) else None
    for sample in samples if isinstance(samples, list) else ():
        conditions = sample.get("conditions") if isinstance(sample, dict) else None
        yield from (c for c in (conditions if isinstance(conditions, list) else ()) if isinstance(c, dict))


def _resolve(text: str, base_dir: Path) -> Path:
    return Path(os.path.normpath(base_dir.absolute() / Path(os.path.expandvars(text)).expanduser()))
