"""The section `layers` of docs/benchmarks.md, from the figures of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks import page
from benchmarks.layer_commands import LAYER, TARGET
from benchmarks.layers_measured import CLIENTS, IMPORTS_A_RUN

if TYPE_CHECKING:
    from collections.abc import Callable


def markdown(found: dict[str, Any]) -> str:
    """The page's section."""
    results = found["results"]
    rows = [[ROWS[name][0], *ROWS[name][1](one), one["goal"]] for name, one in results.items()]
    load = found["load_average"]
    text = (
        "## The layer builder\n"
        f"The layer `{LAYER}` for {TARGET}; for *size* and *import* a layer of {' and '.join(CLIENTS)} alone, with "
        "what they need, against `pip install -t` of the same versions. *Build*: from uv's warm cache, everything else "
        "from nothing: installed, pruned, compiled, checked, its real call made, zipped. *Size*: unzipped, the layer "
        "with the bytecode of what is imported. *Import*: in a new process, from a folder that is never written to, "
        "against `pip install -t --no-compile`. The last three are whole commands, "
        "Python's start included; `--all` is every layer for every runtime and CPU, from wheels installed and "
        f"compiled before. Medians of {found['runs']} runs ({IMPORTS_A_RUN * found['runs']} "
        f"imports), both sides of a ratio in turns. Load average of the machine {load['before']:.1f} before, "
        f"{load['after']:.1f} after.\n\n"
        f"{page.table(['', 'measured', 'fastest to slowest', 'wanted'], rows)}\n"
    )
    size = results.get("size")
    if size is not None and size["drop"]:
        dropped = ", ".join(f"`{one}`" for one in size["drop"])
        text += f"\nWith what `layer.toml` drops ({dropped}) the size would be {size['share_without_drop']:.0%}.\n"
    return text


def _from_to(spread: dict[str, Any]) -> str:
    return f"{spread['min']:.2f} to {spread['max']:.2f} s"


ROWS: dict[str, tuple[str, Callable[[dict[str, Any]], tuple[str, str]]]] = {
    "build": ("warm native build", lambda one: (f"{one['seconds']['median']:.1f} s", _from_to(one["seconds"]))),
    "size": (
        "size, of pip's",
        lambda one: (
            f"{one['share']:.0%} ({one['layer_bytes'] / 1e6:.1f} of {one['pip_install_t_bytes'] / 1e6:.1f} MB)",
            "",
        ),
    ),
    "import": (
        "import, faster than pip's",
        lambda one: (
            f"{one['times_faster']:.2f} times",
            f"{_from_to(one['layer_seconds'])} against {_from_to(one['pip_install_t_no_compile_seconds'])}",
        ),
    ),
    "preview": (
        "digests and budget at preview",
        lambda one: (f"{one['seconds']['median']:.2f} s", _from_to(one["seconds"])),
    ),
    "again": (
        "`build` of what is built",
        lambda one: (f"{one['seconds']['median']:.2f} s", _from_to(one["seconds"])),
    ),
    "publish": (
        "`publish` of what the bucket has",
        lambda one: (f"{one['seconds']['median']:.2f} s", _from_to(one["seconds"])),
    ),
    "everything": (
        "`build --all`: archives gone; nothing changed",
        lambda one: (
            f"{one['warm_seconds']['median']:.0f} s; {one['unchanged_seconds']['median']:.2f} s",
            f"{_from_to(one['warm_seconds'])}; {_from_to(one['unchanged_seconds'])}",
        ),
    ),
}
"""Measurement → its title, and what it came to, in words."""
