"""Writes the torture folder: `python -m data.make.torture FOLDER`."""

from __future__ import annotations

import argparse
from pathlib import Path

from data.make.torture.folder import CASES, make_folder


def main() -> None:
    """Write every file and say what is expected of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    make_folder(folder)
    for case in CASES:
        print(f"{case.name!r:40} {case.outcome:9} {case.reason}")


if __name__ == "__main__":
    main()
