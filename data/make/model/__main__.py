"""Makes the whole tiny LTX-2: `python -m data.make.model OUT --seed 0`.

With `--only vocoder --from FOLDER`, one part is made anew for the model in FOLDER.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from data.make.model.build import build, rebuild_vocoder
from data.make.model.sizes import TEST_BUDGET, Budget


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder to write the model into")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=["vocoder"], help="make this part alone")
    parser.add_argument("--from", dest="base", type=Path, help="the model that has the other parts")
    parser.add_argument(
        "--quick", action="store_true", help="a few steps of each part: it runs, and knows nothing"
    )
    parser.add_argument("--share", type=float, default=1.0, help="share of the training steps, e.g. 0.5")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    budget = TEST_BUDGET if arguments.quick else Budget().scaled(arguments.share)
    if arguments.only == "vocoder":
        if arguments.base is None:
            parser.error("--only vocoder needs --from, the folder of the model that has the other parts")
        rebuild_vocoder(arguments.base, arguments.out, arguments.seed, budget)
    else:
        build(arguments.out, arguments.seed, budget)


if __name__ == "__main__":
    main()
