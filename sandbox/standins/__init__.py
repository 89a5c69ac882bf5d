"""What plays the services that functions call: a folder for each, found by its name.

`sandbox/standins/<service>/` holds the server, what it starts with and its faults, and in `service.py` the one
declaration of how it is started, `STAND_IN`. Which of them run follows from the systems that are deployed: a system
names those that it needs (`sandbox.demos`). All of them speak the service's real protocol, to its real clients, and say
in a header what they are.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox import discovery

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """How a service's stand-in is started."""

    open: Callable[..., Any]
    """Makes its state (`serving.ServerState`), while the program is deployed, from the accepted key, a folder to keep
    things in, and its options: `open(key, folder, **options)`."""
    app: Callable[[Any], ASGIApp]
    """Its application, from that state."""
    rpc: Callable[[Any], Any] | None = None
    """Its gRPC service (`sandbox.standins.rpc.Handlers`), from that state, where the service has one beside its HTTP;
    its address is called `<service>-grpc`."""
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of every answer of the gRPC service: says that it is a stand-in."""
    secret: str = ""
    """The secret in which callers hold the key, as functions name it: OPENAI_API_KEY. Every deployed function that has
    one of this name is given the key."""
    value: Callable[[str, str], str] = lambda _url, key: key
    """What that secret holds, given the server's URL and the key: the key itself, unless callers keep more in it."""
    key_prefix: str = "local-"
    """How the service's keys begin, where its clients look at that."""


def stand_in(service: str) -> StandIn:
    """The declaration of a service's stand-in.

    Raises:
        SandboxError: there is none; names those that there are.
    """
    return discovery.load(sys.modules[__name__], service, "STAND_IN", "service")


def addresses(service: str) -> list[str]:
    """What its addresses are called, as a demonstration's `config` gets them: HTTP first.

    Raises:
        SandboxError: there is no such service; names those that there are.
    """
    return [service] if stand_in(service).rpc is None else [service, f"{service}-grpc"]


def services() -> list[str]:
    """All that there are."""
    return discovery.names(sys.modules[__name__], "service")
