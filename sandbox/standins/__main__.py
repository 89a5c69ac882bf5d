"""`python -m sandbox.standins SERVICE`: one stand-in in a process of its own, alone or for the chaos runs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.standins import services, stand_in
from sandbox.standins.serving import run_process
from sandbox.workspace import SandboxError, end_with_parent

if TYPE_CHECKING:
    from starlette.types import ASGIApp


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox.standins", description="Serve a stand-in until a signal.")
    parser.add_argument("service", choices=services())
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--port-file", type=Path, help="the port is written here once the server listens")
    parser.add_argument("--rpc-port", type=int, default=0, help="of its gRPC service, where it has one; 0: a free one")
    parser.add_argument("--data", type=Path, help="folder where the server keeps what must outlive it")
    parser.add_argument("--key-file", type=Path, help="a file with the accepted key, that only you can read")
    parser.add_argument("--options", type=json.loads, default={}, help="its own, as JSON: '{\"dimension\": 3}'")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    return parser


def main() -> int:
    """Serve; 1 when it cannot start."""
    given = _parser().parse_args()
    if given.with_parent:
        end_with_parent()
    declared = stand_in(given.service)
    key = given.key_file.read_text(encoding="utf-8").strip() if given.key_file else "local"
    options: dict[str, Any] = given.options

    def app() -> ASGIApp:
        state = declared.open(key, given.data, **options)
        if declared.rpc is not None:
            from sandbox.standins.rpc import RpcServer  # gRPC's library, for those that have it

            server = RpcServer(given.rpc_port).serve(state, declared.rpc(state), declared.metadata).start()
            print(f"gRPC on {server.url}", flush=True)
        return declared.app(state)

    try:
        run_process(app, given.port, given.port_file)
    except (SandboxError, TypeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
