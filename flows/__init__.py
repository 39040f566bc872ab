"""What happens, in order: the flows and the command line."""

from __future__ import annotations

from pathlib import Path

import ltx_core


def _refuse_namesakes() -> None:
    """Stop where another package named ltx_core (a public one exists) comes first on the path."""
    own = Path(__file__).resolve().parents[1] / "ltx_core"
    found = [Path(folder).resolve() for folder in ltx_core.__path__]
    if own not in found:
        raise SystemExit(
            f"ltx: another package named ltx_core is installed ({found[0]}) "
            f"and hides this project's ({own}); "
            "use an environment of its own for ltx-flows, such as the one that `make demo` makes"
        )


_refuse_namesakes()
