"""What the agents' process may not do: connect to any host but the model's, start a program, leave a core file.

Owns the second line of defence. The first is that the process has nothing worth sending: no token that writes, no AWS
credentials but for the model.
"""

from __future__ import annotations

import resource
import socket
import sys
from typing import Any

STARTS = (
    "subprocess.Popen",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "os.system",
    "pty.spawn",
    "ctypes.dlopen",
)
FILE_BYTES = 1024 * 1024


class ConfinementError(PermissionError):
    """The process did what it may not."""


def confine(host: str, port: int) -> None:
    """Restrict this process for the rest of its life.

    Args:
        host: the only one that may be connected to, by its name or address.
        port: of it.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    addresses = {host.lower()}
    resolve = socket.getaddrinfo

    def getaddrinfo(name: Any, *arguments: Any, **options: Any) -> Any:
        text = name.decode() if isinstance(name, bytes) else str(name)
        if text.lower() not in addresses:
            raise ConfinementError(f"{text[:100]} is not the model's host")
        found = resolve(name, *arguments, **options)
        addresses.update(str(entry[4][0]) for entry in found)
        return found

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in STARTS:
            raise ConfinementError(f"{event} in the agents' process")
        if event in ("socket.connect", "socket.sendto"):
            address = arguments[1]
            if not isinstance(address, tuple) or str(address[0]) not in addresses or address[1] != port:
                raise ConfinementError("a connection to another host than the model's")

    socket.getaddrinfo = getaddrinfo
    sys.addaudithook(watch)
