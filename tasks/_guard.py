"""Run a command that ends with the process that started it, also when that one is killed (Linux).

    python _guard.py PARENT_PID COMMAND ARGUMENT ...

The kernel is asked for SIGKILL on the parent's end, then this process becomes the command. It is a program of
its own because code between fork and exec (`preexec_fn`) can deadlock in a parent that has threads. The
kernel watches the *thread* that started us, so commands are started from one that stays (`_process.start`).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""The option of prctl(2) that asks for a signal on the parent's end."""


def main(arguments: list[str]) -> None:
    """Tie this process to its parent, then become the command."""
    parent, command = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before we asked
            sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
