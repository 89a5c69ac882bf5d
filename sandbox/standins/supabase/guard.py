"""`python -m sandbox.standins.supabase.guard postgres …`: run PostgreSQL until standard input closes.

Our parent holds the other end, so the server goes when it goes, however it ends. Standard library only: it has to
start at once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

NOBODY = 65534
GRACE_SECONDS = 5.0


def main(command: list[str]) -> int:
    """Start it, as `nobody` when we are root; end it with our standard input, and end with it."""
    if os.geteuid() == 0:
        server = subprocess.Popen(command, cwd="/", user=NOBODY, group=NOBODY, extra_groups=[])
    else:
        server = subprocess.Popen(command, cwd="/")

    def watch() -> None:
        while os.read(0, 4096):
            pass
        server.send_signal(signal.SIGINT)  # a fast shutdown: connections are cut, nothing is lost
        try:
            server.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            server.send_signal(signal.SIGQUIT)

    threading.Thread(target=watch, daemon=True).start()
    return server.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
