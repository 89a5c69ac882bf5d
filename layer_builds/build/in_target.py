"""Runs inside the target's interpreter, alone: compile modules, list their imports, or make a layer's smoke call.

Started as a file with `-I -S`, on any Python from 3.11 on, possibly under qemu: so the standard library only, and
nothing of this package is imported. It reads one JSON job from stdin and writes one JSON answer to a file.
"""

# Late imports: what one task imports must not show among the modules that the other loads

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable


def compile_modules(job: dict[str, Any]) -> dict[str, Any]:
    """Make `unchecked-hash` bytecode: the same bytes in any folder, valid whatever the files' times are.

    The paths inside it are those in Lambda (`/opt/python/…`). A module that is not Python for this version is left
    to the interpreter's own error, if it is ever imported.
    """
    skipped: list[list[str]] = []
    for source, compiled, shown in job["modules"]:
        try:
            data = bytecode(Path(source).read_bytes(), shown)
        except (SyntaxError, ValueError, RecursionError) as error:
            skipped.append([shown, str(error)[:300]])
        else:
            Path(compiled).write_bytes(data)
    return {"skipped": skipped}


def bytecode(source: bytes, path: str) -> bytes:
    """A .pyc that depends on the source, the path and this interpreter's version, and on nothing else.

    `marshal` writes an object anew or refers to an earlier one by how many references there happen to be, and by which
    strings something has interned, in this process: py_compile gives typing_extensions other bytes when `typing` is
    loaded. Its version 2 has no references, so what it gives depends on values alone, and what is read back from that
    shares objects by value alone.
    """
    import _imp
    import importlib.util
    import marshal

    code = compile(source, "<layer>", "exec", dont_inherit=True, optimize=0)
    # From 3.14 on, slices can be constants, which that version does not know: they pass through it as tuples.
    code = marshal.loads(marshal.dumps(with_constants(code, slice_to_tuple), 2))  # noqa: S302 - written here
    code = with_constants(code, tuple_to_slice)
    # One string in all code objects of the module, as the compiler has it; what importlib does to a moved .pyc.
    getattr(_imp, "_fix_co_filename")(code, path)  # noqa: B009 - no type knows it; importlib depends on it
    header = importlib.util.MAGIC_NUMBER + (0b01).to_bytes(4, "little") + importlib.util.source_hash(source)
    return header + marshal.dumps(code)


_SLICE = frozenset({"slice"})
"""Marks a tuple: no source can have a set inside of a constant tuple."""


def slice_to_tuple(value: Any) -> Any:
    """A slice as a marked tuple; anything else as it is."""
    if not isinstance(value, slice):
        return value
    given = cast("slice[Any, Any, Any]", value)
    return _SLICE, given.start, given.stop, given.step


def tuple_to_slice(value: Any) -> Any:
    """The slice that a marked tuple stands for; anything else as it is."""
    if not isinstance(value, tuple):
        return value
    marked = cast("tuple[Any, ...]", value)
    return slice(*marked[1:]) if marked[:1] == (_SLICE,) else marked


def with_constants(value: Any, change: Callable[[Any], Any]) -> Any:
    """A constant with what is in it changed, tuples and code included; the same object where nothing has."""
    changed = change(value)
    if changed is not value:
        return changed
    inside: tuple[Any, ...] | None = getattr(value, "co_consts", value)
    if not isinstance(inside, tuple):
        return value
    constants = tuple(with_constants(constant, change) for constant in inside)
    if all(new is old for new, old in zip(constants, inside, strict=True)):
        return value
    return constants if inside is value else value.replace(co_consts=constants)


def imports(job: dict[str, Any]) -> dict[str, Any]:
    """What modules import, as paths below their root; None for one that is not Python for this version."""
    root = Path(job["root"])
    return {"imports": {file: imported(root / file, PurePosixPath(file).parent.parts) for file in job["modules"]}}


def imported(path: Path, package: tuple[str, ...]) -> list[str] | None:
    """What one module imports anywhere in it; `package` is the folder that its relative imports start from."""
    import ast

    try:
        todo: list[ast.AST] = [ast.parse(path.read_bytes())]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found: set[str] = set()
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name.replace(".", "/") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - (node.level - 1)] if node.level else ()
            module = "/".join([*base, *(node.module or "").split(".")]).strip("/")
            found.update([module, *(f"{module}/{alias.name}".strip("/") for alias in node.names)])
        # Blocks only: an import is a statement, and a module has ten times as many expressions.
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            todo += getattr(node, block, [])
    return sorted(found)


def loopback_up() -> bool:
    """Bring `lo` up in a network namespace of our own, where it starts down."""
    import fcntl
    import socket
    import struct

    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            request = struct.pack("16sh14x", b"lo", 0x1 | 0x40)  # IFF_UP | IFF_RUNNING
            fcntl.ioctl(sock, 0x8914, request)  # SIOCSIFFLAGS
    except OSError:
        return False
    return True


def forbid_network() -> None:
    """Refuse every address but the loopback's, with a message that says who refused."""
    import ipaddress

    def local(host: object) -> bool:
        text = host.decode() if isinstance(host, bytes) else str(host)
        if text in ("", "localhost", "None"):
            return True
        try:
            return ipaddress.ip_address(text.partition("%")[0]).is_loopback
        except ValueError:
            return False

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        host = None
        if event in {"socket.connect", "socket.sendto"}:
            address: tuple[Any, ...] | str | bytes = arguments[1]
            host = address[0] if isinstance(address, tuple) else "localhost"
        elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
            host = arguments[0]
        if host is not None and not local(host):
            raise PermissionError(f"the smoke call reached for {host!r}, and it runs with the network off")

    sys.addaudithook(audit)


def smoke(job: dict[str, Any]) -> dict[str, Any]:
    """Run the layer's smoke file as Lambda would import it; say which of the layer's modules it loaded."""
    # Nothing of one call is worth collecting often, and thousands of modules are looked through each time.
    gc.set_threshold(1_000_000, 50, 1000)
    if job["own_network"]:
        loopback_up()
    forbid_network()
    # Lambda's order: layers, then the runtime's own packages; neither the builder's nor the user's are anywhere.
    sys.path[:0] = job["path"]
    sys.dont_write_bytecode = True
    share(job["shared"])
    script = job["script"]
    names: dict[str, Any] = {"__name__": "layer_smoke", "__file__": script}
    # Not with this file's own `from __future__`: annotations would be texts, and a model's are read.
    code = compile(Path(script).read_text(encoding="utf-8"), script, "exec", dont_inherit=True)
    exec(code, names)  # noqa: S102 - the layer's own file
    versions = names["smoke"]()
    # What the call itself loads has to be compiled; what is only tried below will be when the list is made anew.
    called = dict(sys.modules)
    modules, uncompiled = loaded(called, job["roots"])
    failed = {name: import_all(roots) for name, roots in job["requirements"].items()}
    modules |= loaded({name: module for name, module in sys.modules.items() if name not in called}, job["roots"])[0]
    return {
        "modules": sorted(modules),
        "uncompiled": sorted(uncompiled),
        "versions": versions if isinstance(versions, dict) else {},
        "python": sys.version.split()[0],
        "failed": failed,
        "mapped": mapped(),
    }


def share(folder: str) -> None:
    """Make what smoke files share importable as `layer_builds.smoke_calls`, and nothing else of that name."""
    from types import ModuleType

    for name, path in (("layer_builds", []), ("layer_builds.smoke_calls", [folder])):
        sys.modules[name] = package = ModuleType(name)
        package.__path__ = path


def loaded(modules: dict[str, Any], roots: dict[str, str]) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Those of the modules that are layers', as (layer, path in it); and those of them without bytecode."""
    ours: set[tuple[str, str]] = set()
    uncompiled: set[tuple[str, str]] = set()
    folders: dict[str, str] = {}  # as imported → real: asking the system for each module takes a tenth of a call
    for module in modules.values():
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not file.endswith(".py"):
            continue
        folder, _, base = file.rpartition("/")
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        path = f"{folders[folder]}/{base}"
        for name, root in roots.items():
            if path.startswith(f"{root}/"):
                found = (name, path[len(root) + 1 :])
                ours.add(found)
                cached = getattr(module, "__cached__", None)
                if not (isinstance(cached, str) and os.path.exists(cached)):  # noqa: PTH110 - thousands of times
                    uncompiled.add(found)
    return ours, uncompiled


def import_all(names: list[str]) -> dict[str, str]:
    """Import modules; those that fail, with the reason."""
    from importlib import import_module

    failed: dict[str, str] = {}
    for name in names:
        try:
            import_module(name)
        except BaseException as error:  # noqa: BLE001 - a module may raise anything, SystemExit too
            failed[name] = f"{type(error).__name__}: {error}"
    return failed


def mapped() -> list[str]:
    """The shared libraries in this process, by their real paths; empty where the system does not say."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    paths = {line.split(maxsplit=5)[5] for line in lines if len(line.split(maxsplit=5)) > 5}  # noqa: PLR2004
    return sorted(path for path in paths if path.startswith("/") and ".so" in path)


def main() -> None:
    """Do the job on stdin; whatever goes wrong in it is part of the answer."""
    job = json.loads(sys.stdin.read())
    try:
        answer = {"compile": compile_modules, "imports": imports, "smoke": smoke}[job["task"]](job)
    except BaseException as error:  # noqa: BLE001 - a layer's code may raise anything, SystemExit too
        import traceback

        answer = {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
    Path(job["answer"]).write_text(json.dumps(answer), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)  # a client's threads must not keep the process


if __name__ == "__main__":
    main()
