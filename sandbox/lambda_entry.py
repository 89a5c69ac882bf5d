"""Runs inside a function's process, before the function: makes the process look like Lambda, then starts awslambdaric.

Uses the standard library only and imports nothing of ours, because everything on the path here is on the function's.
Arguments: one JSON object, see `main`. Linux only.
"""

import contextlib
import ctypes
import importlib
import json
import os
import resource
import signal
import site
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUSER: Final = 0x10000000
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
PR_SET_PDEATHSIG: Final = 1
SYS_MOUNT_SETATTR: Final = 442
AT_FDCWD: Final = -100
AT_RECURSIVE: Final = 0x8000
CODE: Final = 2
"""How many of the needed paths hold the function's code and the runtime's: the first ones."""
FRAME: Final = 0xA55A0000
"""Frame type of the one message that this module itself sends over the log pipe."""

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    arguments = (source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode())
    _check(_libc.mount(*arguments), f"mount {target}")


def _read_only(path: str) -> None:
    """Make everything mounted at and under `path` read-only in this namespace (mount_setattr, Linux 5.12)."""
    attributes = (ctypes.c_uint64 * 4)(1, 0, 0, 0)  # attr_set = MOUNT_ATTR_RDONLY
    arguments = (SYS_MOUNT_SETATTR, AT_FDCWD, path.encode(), AT_RECURSIVE, attributes, ctypes.sizeof(attributes))
    _check(_libc.syscall(*arguments), f"read-only {path}")


def _namespace() -> str:
    """A private mount namespace, in a user namespace of our own where we are not root; returns which."""
    user, group = os.getuid(), os.getgid()
    if _libc.unshare(CLONE_NEWNS) == 0:
        kind = "mount namespace"
    else:
        _check(_libc.unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        kind = "user namespace"
    _mount("none", "/", "", MS_REC | MS_PRIVATE)
    return kind


def _under(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _mount_opt(layers: str | None, needed: list[str], scratch: str) -> None:
    """Put the layers at /opt, read-only. What Python itself needs of the machine's /opt stays visible there."""
    kept = sorted({Path(path).parts[2] for path in needed if _under(path, "/opt") and path != "/opt"})
    if layers is not None and not kept:
        _mount(layers, "/opt", "", MS_BIND)
        return
    _mount("tmpfs", scratch, "tmpfs", 0, "size=1m,mode=755")
    entries = {name: f"/opt/{name}" for name in kept}
    entries |= {entry.name: str(entry) for entry in sorted(Path(layers).iterdir())} if layers else {}
    for name, source in entries.items():
        target = Path(scratch, name)
        target.mkdir() if Path(source).is_dir() else target.touch()
        _mount(source, str(target), "", MS_BIND | MS_REC)
    _mount(scratch, "/opt", "", MS_BIND | MS_REC)


def _isolate(layers: str | None, needed: list[str], private: str, storage_mb: int) -> str:
    """Layers at /opt, a /tmp of its own and of its size, all else read-only. Returns how; OSError where not allowed."""
    if not Path("/opt").is_dir():
        raise OSError(0, "this machine has no /opt to mount layers on")
    kind = _namespace()
    scratch = Path(private, "opt")
    scratch.mkdir(exist_ok=True)
    _mount_opt(layers, needed, str(scratch))
    own = not any(_under(path, "/tmp") for path in [*needed, private])  # noqa: S108 - Lambda's only writable folder
    if own:
        _mount("tmpfs", "/tmp", "tmpfs", 0, f"size={storage_mb}m,mode=1777")  # noqa: S108
    else:
        _mount("/tmp", "/tmp", "", MS_BIND)  # noqa: S108 - a mount of its own, to stay writable
        kind += ", shared /tmp"
        for folder in {path for path in needed[:CODE] if _under(path, "/tmp")}:  # noqa: S108 - the code stays read-only
            _mount(folder, folder, "", MS_BIND)
    _read_only("/")
    attributes = (ctypes.c_uint64 * 4)(0, 1, 0, 0)  # attr_clr = MOUNT_ATTR_RDONLY
    arguments = (SYS_MOUNT_SETATTR, AT_FDCWD, b"/tmp", 0, attributes, ctypes.sizeof(attributes))
    _check(_libc.syscall(*arguments), "writable /tmp")
    return kind


def _die_with(parent: int) -> None:
    """Be killed when the host is, however it ends."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _tell_host(message: dict[str, Any]) -> None:
    """One frame over the log pipe, in the format that awslambdaric itself uses for log records."""
    body = json.dumps(message).encode()
    stamp = int(time.time() * 1_000_000)
    frame = FRAME.to_bytes(4, "big") + len(body).to_bytes(4, "big") + stamp.to_bytes(8, "big") + body
    os.write(int(os.environ["_LAMBDA_TELEMETRY_LOG_FD"]), frame)


def _rewrite_opt(layers: str | None) -> None:
    """Without a mount, variables that point into /opt point into the copy instead."""
    for name, value in list(os.environ.items()):
        parts = [layers + part[4:] if layers and _under(part, "/opt") else part for part in value.split(":")]
        os.environ[name] = ":".join(parts)


def main() -> None:
    """Read the settings, prepare the process, run the function.

    Settings: parent, task, runtime, layers, private, handler, own_locale, storage_mb (of /tmp).
    """
    settings = json.loads(sys.argv[1])
    _die_with(settings["parent"])
    if not settings["own_locale"]:
        os.environ.pop("LC_CTYPE", None)  # Python itself sets it where Lambda's locale is not installed
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard), hard))  # Lambda's limit
    layers: str | None = settings["layers"]
    needed = [settings["task"], settings["runtime"], sys.prefix, sys.base_prefix, sys.executable, *(sys.path)]
    opt = "/opt"
    try:
        paths = [str(Path(path).resolve()) for path in needed if path]
        how = _isolate(layers, paths, settings["private"], settings["storage_mb"])
    except OSError as error:
        how, opt = f"no mount namespace ({error}): layers at {layers} instead of /opt", layers or "/opt"
        _rewrite_opt(layers)
    _tell_host({"isolation": how})
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    sys.path[:0] = [settings["task"], f"{opt}/python/lib/{version}/site-packages", f"{opt}/python", settings["runtime"]]
    site.setquit()  # `exit` and `quit` exist in Lambda; the rest of `site` would add this machine's packages
    os.chdir(settings["task"])
    tempfile.tempdir = None
    sys.argv = ["awslambdaric", settings["handler"]]
    with contextlib.suppress(KeyboardInterrupt):
        importlib.import_module("awslambdaric.__main__").main(sys.argv)  # found through the path made above


if __name__ == "__main__":
    main()
