"""`layer_builds audit`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from layer_builds.plan import LAYERS_DIR, REPOSITORY, LayerBuildError, layer_names, load_layer

if TYPE_CHECKING:
    from layer_builds.ship.audit import Audit

HELP = "known vulnerabilities of what the locks pin"
EXCEPTIONS = LAYERS_DIR.parent / "audit.toml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = (
        "Check every pinned version of every lock against a vulnerability service (OSV). Advisories that are accepted "
        "for a while, each with a reason, are in layer_builds/audit.toml."
    )
    parser.epilog = "Exit codes: 0 nothing is known against any pin, 1 something is, 2 the service could not be asked."
    parser.add_argument("layers", nargs="*", metavar="LAYER", help="only these layers (otherwise all, and uv.lock)")
    parser.add_argument("--service-url", help="an OSV-compatible service instead of osv.dev's")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--layers-dir", type=Path, default=LAYERS_DIR, help=argparse.SUPPRESS)
    parser.add_argument("--exceptions", type=Path, default=EXCEPTIONS, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """0 nothing known, 1 something is, 2 it could not be found out."""
    from layer_builds.ship import audit, audit_report

    try:
        result = _ask(arguments)
    except LayerBuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return audit.EXIT_UNKNOWN
    print(json.dumps(audit_report.document(result), indent=1) if arguments.json else audit_report.text(result))
    return result.exit_code


def _ask(arguments: argparse.Namespace) -> Audit:
    from layer_builds.host.interpreters import RUNTIMES_DIR
    from layer_builds.host.processes import Log, Processes
    from layer_builds.ship import audit
    from layer_builds.ship.exceptions import load_exceptions
    from layer_builds.ship.pins import collect_pins

    everything = not arguments.layers
    names = arguments.layers or layer_names(arguments.layers_dir)
    pins = collect_pins(
        [load_layer(name, root=arguments.layers_dir) for name in names],
        RUNTIMES_DIR if everything else None,
        REPOSITORY / "uv.lock" if everything else None,
    )
    return audit.audit(
        pins,
        Processes(Log()),
        today=datetime.now(tz=UTC).date(),
        service=arguments.service_url or audit.DEFAULT_SERVICE,
        index=os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL") or audit.DEFAULT_INDEX,
        exceptions=load_exceptions(arguments.exceptions),
    )
