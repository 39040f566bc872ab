"""Ways of `torch.compile`. No torch here."""

from __future__ import annotations

from typing import Literal

CompileMode = Literal["default", "reduce-overhead", "max-autotune-no-cudagraphs"]
"""`max-autotune` is left out: it is the search of kernels and CUDA graphs at once."""
