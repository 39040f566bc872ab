"""Names of attention kernels. No torch here."""

from __future__ import annotations

from typing import Literal

Attention = Literal["auto", "sdpa", "flash", "efficient", "math", "cudnn"]
ON_CPU: tuple[Attention, ...] = ("auto", "sdpa", "flash", "math")
"""Those that run without a GPU."""
