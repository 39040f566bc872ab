"""The program of the local server's process: Prefect's API on a listening socket that it inherits.

    python -m flows._serve FILE_DESCRIPTOR

uvicorn's own `--fd` takes every socket for one of the file system, and so leaves out TCP_NODELAY.
"""

from __future__ import annotations

import socket
import sys

import uvicorn


def main(descriptor: int) -> None:
    """Serve until a signal ends the process."""
    config = uvicorn.Config(
        "prefect.server.api.server:create_app", factory=True, log_level="error", lifespan="on"
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(int(sys.argv[1]))
