"""The schema of the one YAML: the sum of what the rooms declare, loading and preflight."""

from __future__ import annotations

from ltx_core.config.init import init_config
from ltx_core.config.load import build, dump, load
from ltx_core.config.preflight import Check, preflight
from ltx_core.config.root import Config

__all__ = ["Check", "Config", "build", "dump", "init_config", "load", "preflight"]
