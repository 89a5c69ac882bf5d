"""What the agents' process may not do, and what of the function's process it may not see.

Owns the second line of defence. The first is that the process has nothing worth sending: no token that writes, no AWS
credentials but for the model.

It stops Python code in the process, whichever module it comes through: connecting, sending (`sendto`, `sendmsg`) or
binding anywhere but to the model's host and port; asking any name server for any name but that host's; starting a
program; loading a C library, or looking up a function in one that is loaded; opening what /proc has of other processes;
core files, and files of more than a megabyte. `hide_memory` keeps /proc/<pid>/environ, mem and fd of the function's
process from every other process that has no CAP_SYS_PTRACE, which Lambda's user has not.

It does not stop machine code (a fault in an extension module), code that undoes it through the interpreter's own
memory, `_posixsubprocess.fork_exec`, for which Python raises no event, a descriptor of a folder above /proc used with
names of several parts, or data in requests to the model's host itself.
"""

from __future__ import annotations

import os
import re
import resource
import socket
import sys
from typing import Any, Final

STARTS: Final = frozenset(
    {
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
        "ctypes.dlsym",
        "ctypes.dlsym/handle",
    }
)
SENDS: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind"})
"""Events whose second argument is an address; without one, `sendmsg` sends where the socket was connected to."""
RESOLVES: Final = frozenset(
    {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}
)
OPENS: Final = frozenset({"open", "os.listdir", "os.scandir"})
FILE_BYTES: Final = 1024 * 1024
PR_SET_DUMPABLE: Final = 4
"""Of prctl(2)."""
_process: Final = re.compile(r"(?:.*/)?proc/(\d+)(?:/.*)?|(\d+)/.+", re.DOTALL)
"""Also without the folder before it: a descriptor of /proc may stand for that."""


class ConfinementError(PermissionError):
    """The process did what it may not."""


def hide_memory() -> None:
    """Make this process's environment, memory and descriptors unreadable for others of the same user.

    The kernel then counts their files in /proc as root's; `status` and `task` stay readable for everybody. A program
    that is started is readable again.
    """
    if sys.platform != "linux":
        return
    import ctypes  # the webhook's way starts no agent

    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")


def confine(host: str, port: int) -> None:
    """Restrict this process for the rest of its life.

    Args:
        host: the only one that may be connected to, by its name or address.
        port: of it.
    """
    hide_memory()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    addresses = {host.lower()}
    resolve = socket.getaddrinfo

    def getaddrinfo(name: Any, *arguments: Any, **options: Any) -> Any:
        found = resolve(name, *arguments, **options)
        addresses.update(str(entry[4][0]) for entry in found)
        return found

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in STARTS:
            raise ConfinementError(f"{event} in the agents' process")
        if event in SENDS:
            _check_address(arguments[1], addresses, port, connected=event == "socket.sendmsg")
        elif event in RESOLVES:
            _check_name(arguments[0], addresses)
        elif event in OPENS:
            _check_path(arguments[0])

    socket.getaddrinfo = getaddrinfo
    sys.addaudithook(watch)


def _check_address(
    address: tuple[Any, ...] | str | bytes | None, addresses: set[str], port: int, *, connected: bool
) -> None:
    if connected and address is None:
        return
    if not isinstance(address, tuple) or str(address[0]).lower() not in addresses or address[1] != port:
        raise ConfinementError("a connection to another host than the model's")


def _check_name(name: tuple[Any, ...] | str | bytes | None, addresses: set[str]) -> None:
    given = name[0] if isinstance(name, tuple) else name
    text = given.decode("utf-8", "replace") if isinstance(given, bytes | bytearray) else str(given)
    if text.lower() not in addresses:
        raise ConfinementError(f"{text[:100]} is not the model's host")


def _check_path(path: str | bytes | os.PathLike[str] | int | None) -> None:
    """Refuse /proc/<another process>, by whatever link; and /proc itself, a descriptor of which leads there unseen."""
    if not isinstance(path, str | bytes | os.PathLike):  # a descriptor, which was opened before
        return
    text = os.fsdecode(path)
    for name in (os.path.normpath(text), os.path.realpath(text)):
        found = _process.fullmatch(name)
        if name == "/proc" or (found and (found[1] or found[2]) != str(os.getpid())):
            raise ConfinementError("what /proc has of another process")
