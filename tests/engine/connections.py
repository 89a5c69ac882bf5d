"""Which network connections a command opened, read from the kernel's view of it (strace).

Every connect(2) to an address counts, TCP or UDP, so that looking a name up counts as well; sockets within the machine
(unix, netlink) do not. Loopback is fine, except for port 53: that is a resolver asking somebody else.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PORT = re.compile(r"sin6?_port=htons\((\d+)\)")
_ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')
DNS = 53


def outgoing(calls: Iterable[str]) -> list[str]:
    """`address:port` of every connection that leaves the machine, or tried to.

    Args:
        calls: lines of `strace -ff -e trace=connect`.
    """
    found: set[str] = set()
    for call in calls:
        if "connect(" not in call or "AF_INET" not in call:
            continue
        port, address = _PORT.search(call), _ADDRESS.search(call)
        assert port, f"not understood: {call}"
        assert address, f"not understood: {call}"
        where = ipaddress.ip_address(address[1] or address[2])
        mapped = getattr(where, "ipv4_mapped", None) or where
        number = int(port[1])
        # Port 0 sends nothing: it asks the kernel which source address it would use.
        if number != 0 and (not mapped.is_loopback or number == DNS):
            found.add(f"{where}:{number}")
    return sorted(found)
