"""The `docker` builder: the same builder, started inside the image that AWS builds its own packages in.

For layers that compile something from source; a wheels-only layer gets the same bytes from it as from the native
builder. Owns the container's command line, and what the container is given: the code and the layers read-only, the
builder's own dependencies for the image's Python, a folder for the result, a cache. It does not choose images by
guess: the default is AWS's public one by tag, and a layer with `source` names its own by digest.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tomllib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layer_builds.host.disk import file_sha256
from layer_builds.host.folders import BUILD_DIR_VARIABLE, INSIDE, build_dir
from layer_builds.host.guards import staging_folder
from layer_builds.host.processes import find_uv
from layer_builds.plan import (
    REPOSITORY,
    LayerBuildError,
    ManifestEntry,
    Target,
    checked_compiler,
    host_architecture,
    parse_entry,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from layer_builds.host.processes import Runner
    from layer_builds.plan import LayerSpec

IMAGE_VARIABLE = "STRATA_BUILD_IMAGE"
"""Names another image than AWS's for layers that do not name one: a mirror of it, or one in a private registry."""
_PUBLIC = "public.ecr.aws/sam/build-{runtime}:latest-{architecture}"
LAYERS = "/strata-layers"
OUT = "/strata-out"
"""Folders of the container: of layers, and for the result."""
_CODE = "/strata/layer_builds"
_TOOLS = "/strata-tools"
_PACKAGES = "/packages"
"""Two folders above the layers, as in the repository."""
_MODELS = "models"
"""Of the repository: the folders that layers and images list files of."""
_CACHE = "/strata-cache"
_CERTIFICATES = "/strata-ca.pem"
_NETRC = "/strata-netrc"
_TIMEOUT_SECONDS = 1800.0
_DEPENDENCIES = ("deflate", "packaging", "pyelftools", "uv")
"""What the builder imports or starts inside, at the versions of uv.lock."""
_PASSED = re.compile(
    r"UV_(INDEX.*|DEFAULT_INDEX|EXTRA_INDEX_URL|INSECURE_HOST|HTTP_.*)|(HTTPS?|ALL|NO)_PROXY", re.IGNORECASE
)
"""Where packages come from, and how they are reached: passed on by name, so that no value is in an argument list."""


def image(layer: LayerSpec, target: Target) -> str:
    """The image to build in: the layer's own, the one from the environment, or AWS's."""
    if layer.image is not None:
        return layer.image
    return os.environ.get(IMAGE_VARIABLE) or _PUBLIC.format(runtime=target.runtime, architecture=target.architecture)


def build_in_docker(
    layer: LayerSpec,
    target: Target,
    archive: Path,
    *,
    compiler: str | None,
    run: Runner,
    say: Callable[[str], None],
) -> tuple[ManifestEntry, tuple[str, ...]]:
    """Build a layer in a container.

    Args:
        layer: What to build.
        target: For which runtime and architecture.
        archive: Where the zip goes; its name is the digest.
        compiler: CPython patch version for the bytecode; None is the pinned one.
        run: What starts processes.
        say: Told what is being done.

    Returns:
        What it came to, and notes.

    Raises:
        LayerBuildError: Docker is not running, or the build inside failed; with its own message.
    """
    job = {"compiler": checked_compiler(target, compiler), "digest": archive.stem}
    with _ran(layer, target, job, archive.parent, run=run, say=say) as (answer, out):
        entry = parse_entry(answer["entry"])
        built = out / "layers" / archive.name
        if entry.digest != archive.stem or file_sha256(built) != entry.artifact_sha256:
            raise LayerBuildError(
                f"the container of {image(layer, target)} made another archive than it says: build again"
            )
        shutil.move(built.with_suffix(".json"), archive.with_suffix(".json"))
        shutil.move(built, archive)
        return entry, tuple(answer["notes"])


def imported_in_docker(layer: LayerSpec, target: Target, run: Runner, say: Callable[[str], None]) -> tuple[str, ...]:
    """The modules that a layer's smoke call imports, listed in a container: for a layer that is built from source.

    Raises:
        LayerBuildError: Docker is not running, or the call failed inside; with its own message.
    """
    with _ran(layer, target, {"modules": True}, build_dir() / "listing", run=run, say=say) as (answer, _):
        return tuple(answer["modules"])


@contextmanager
def _ran(
    layer: LayerSpec,
    target: Target,
    job: Mapping[str, Any],
    parent: Path,
    *,
    run: Runner,
    say: Callable[[str], None],
) -> Generator[tuple[dict[str, Any], Path]]:
    """Run `inside.py` in a container; its answer, and the folder that it wrote to."""
    if run(["docker", "version", "--format", "{{.Server.Version}}"]).returncode != 0:
        raise LayerBuildError(
            "Docker is not running, and this layer is to be built in it: start it, or use the native builder "
            "(`strata:layers: {builder: native}`), which makes the same bytes for layers without `source`"
        )
    name = image(layer, target)
    job = {"layer": layer.name, "runtime": target.runtime, "architecture": target.architecture, **job}
    cache = build_dir() / "docker-cache"
    cache.mkdir(parents=True, exist_ok=True)
    with staging_folder(parent, "docker-") as folder:
        tools, out = folder / "tools", folder / "out"
        out.mkdir()
        say(f"{layer.name} {target}: the builder's own packages, for {name}")
        _install_tools(target, tools, run)
        say(f"{layer.name} {target}: run in {name}")
        mounts = {
            str(REPOSITORY / "layer_builds"): (_CODE, "ro"),
            str(REPOSITORY / _MODELS): (f"{Path(_CODE).parent}/{_MODELS}", "ro"),
            str(layer.root.resolve()): (LAYERS, "ro"),
            str(tools): (_TOOLS, "ro"),
            **({str(layer.packages_dir.resolve()): (_PACKAGES, "ro")} if layer.local else {}),
            str(out): (OUT, "rw"),
            str(cache): (_CACHE, "rw"),
        }
        argv = container_argv(layer, target, mounts, os.environ)
        done = run(argv, env=dict(os.environ), stdin=json.dumps(job), timeout_seconds=_TIMEOUT_SECONDS)
        yield _answer(out / "result.json", name, done.stderr), out


def container_argv(
    layer: LayerSpec, target: Target, mounts: Mapping[str, tuple[str, str]], environ: Mapping[str, str]
) -> list[str]:
    """The `docker run` command line. What the environment holds is passed by name: no value of it is in here."""
    argv = ["docker", "run", "--rm", "--interactive", "--workdir", OUT]
    if target.architecture != host_architecture():
        argv += ["--platform", target.platform]
    if hasattr(os, "getuid"):  # files of root's would be left otherwise
        argv += ["--user", f"{os.getuid()}:{os.getgid()}"]
    variables = {
        INSIDE: "1",
        BUILD_DIR_VARIABLE: OUT,
        "HOME": OUT,
        "PYTHONPATH": f"{Path(_CODE).parent}:{_TOOLS}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "UV_CACHE_DIR": f"{_CACHE}/uv",
        "UV_PYTHON_INSTALL_DIR": f"{_CACHE}/python",
    }
    mounts = dict(mounts)
    certificates = environ.get("SSL_CERT_FILE")
    if certificates and Path(certificates).is_file():
        mounts[str(Path(certificates).resolve())] = (_CERTIFICATES, "ro")
        variables["SSL_CERT_FILE"] = _CERTIFICATES
    netrc = Path(environ.get("NETRC") or Path.home() / ".netrc")
    if netrc.is_file():
        mounts[str(netrc.resolve())] = (_NETRC, "ro")
        variables["NETRC"] = _NETRC
    for source, (place, mode) in mounts.items():
        argv += ["--volume", f"{source}:{place}:{mode}"]
    for name, value in variables.items():
        argv += ["--env", f"{name}={value}"]
    for name in sorted(environ):
        if _PASSED.fullmatch(name):
            argv += ["--env", name]
    return [*argv, image(layer, target), f"python{target.facts.python}", "-m", "layer_builds.lock.inside"]


def _answer(result: Path, name: str, stderr: str) -> dict[str, Any]:
    if not result.is_file():
        raise LayerBuildError(f"the container of {name} gave no result:\n{stderr.strip()[-2000:]}")
    answer: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    if "error" in answer:
        raise LayerBuildError(str(answer["error"]))
    return answer


def _install_tools(target: Target, tools: Path, run: Runner) -> None:
    """Install the builder's dependencies for the image's Python and CPU, with the host's uv and credentials."""
    lock = tomllib.loads((REPOSITORY / "uv.lock").read_text(encoding="utf-8"))
    lines: list[str] = []
    for package in lock["package"]:
        if package["name"] in _DEPENDENCIES:
            hashes = " ".join(f"--hash={wheel['hash']}" for wheel in package["wheels"])
            lines.append(f"{package['name']}=={package['version']} {hashes}\n")
    requirements = tools.with_suffix(".txt")
    requirements.write_text("".join(lines), encoding="utf-8")
    done = run(
        [
            *(find_uv(), "pip", "install", "--quiet", "--python", sys.executable, "--target", str(tools)),
            *("--require-hashes", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy"),
            # The oldest glibc of a build image: these wheels run on all of them.
            *("--python-version", target.facts.python, "--python-platform", f"{target.machine}-manylinux2014"),
            *("--requirement", str(requirements)),
        ],
        cwd=tools.parent,
    )
    if done.returncode != 0:
        raise LayerBuildError(
            f"the builder's own packages could not be fetched for {target}:\n{done.stderr.strip()[-1500:]}"
        )
