"""What builds a layer's zip: this project, and what one would use instead, each as its own documentation says.

Owns the commands. Each gets an empty folder, the same pinned versions, its warm cache, and returns a zip; how they are
compared is `benchmarks.compare`'s.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.compare_samples import COMPILER, LAYER, RUNTIME, SECONDS, pins
from layer_builds.host.interpreters import find_interpreter
from layer_builds.host.processes import find_uv

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SAM_TEMPLATE = """AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Resources:
  Layer:
    Type: AWS::Serverless::LayerVersion
    Properties:
      ContentUri: layer
      CompatibleRuntimes: [{runtime}]
      CompatibleArchitectures: [{architecture}]
    Metadata:
      BuildMethod: {runtime}
      BuildArchitecture: {architecture}
"""
BUILDERS_SCRIPT = """
import sys
from aws_lambda_builders.builder import LambdaBuilder
manager, source, runtime, architecture = sys.argv[1:]
LambdaBuilder(language="python", dependency_manager=manager, application_framework=None).build(
    source, "python", "scratch", f"{source}/requirements.txt", runtime=runtime, architecture=architecture
)
"""
STELVIO_SCRIPT = """
import sys
from pathlib import Path
from stelvio.aws._packaging.dependencies import get_or_install_dependencies, requirements_spec
runtime, architecture = sys.argv[1:]
found = get_or_install_dependencies(
    requirements_spec("requirements.txt"), runtime, architecture, Path.cwd(), "layers", "layer"
)
found.rename("python")
"""
"""What its `Layer` does before Pulumi zips the folder; it finds a project by its `stlv_app.py`."""
WHEEL_PLATFORMS = {"x86_64": "manylinux2014_x86_64", "arm64": "manylinux2014_aarch64"}


class BuildFailedError(Exception):
    """A tool did not build the layer; its own last words."""


@dataclass(frozen=True, slots=True)
class Job:
    """One build."""

    folder: Path
    """Empty, and its own."""
    architecture: str
    tools: Path
    """Virtual environments: `aws`, with aws-sam-cli and with it aws-lambda-builders, and `stelvio`."""
    caches: Path
    """Where uv and pip keep downloads: the same for all builds, and nobody else's."""
    builder: Path
    """A copy of `layer_builds`, so that all builds of a run are of one state of it."""
    layer: str = LAYER


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to a layer."""

    name: str
    documentation: str
    build: Callable[[Job], Path]
    """Everything that is timed, from the pinned versions to the zip."""
    slow: bool = False
    """Installs all of it anew each time, with pip: built twice, and what a changed pin saves is not asked."""


def install_tools(folder: Path) -> None:
    """Environments with AWS's tools and with Stelvio, from the package index; those that are there are kept."""
    uv, python = str(find_uv()), str(find_interpreter(COMPILER))
    for name, packages in {"aws": ["aws-sam-cli"], "stelvio": ["stelvio"]}.items():
        home = folder / name
        if home.is_dir():
            continue
        install = [
            uv,
            "pip",
            "install",
            "--quiet",
            "--prerelease",
            "if-necessary",
            "--python",
            str(home / "bin/python"),
        ]
        for command in ([uv, "venv", "--quiet", "--python", python, str(home)], [*install, *packages]):
            subprocess.run(command, check=True, timeout=SECONDS)


def versions(tools: Path) -> dict[str, str]:
    """Of what is compared."""
    probe = "import importlib.metadata as m; print(m.version('aws-sam-cli'), m.version('aws-lambda-builders'))"
    sam, builders = _output([str(tools / "aws/bin/python"), "-c", probe]).split()
    probe = "import importlib.metadata as m; print(m.version('stelvio'))"
    stelvio = _output([str(tools / "stelvio/bin/python"), "-c", probe]).strip()
    pip = _output([str(find_interpreter(COMPILER)), "-m", "pip", "--version"]).split()[1]
    uv = _output([str(find_uv()), "--version"]).split()[1]
    tools_versions = {"aws-lambda-builders": builders, "aws-sam-cli": sam, "stelvio": stelvio}
    return {"pip": pip, **tools_versions, "uv": uv, "Python": COMPILER}


def _output(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def _run(job: Job, command: Sequence[str], **more: str) -> None:
    """In the job's folder, with the interpreter of the runtime first on PATH and nothing of this environment."""
    path = [str(find_interpreter(COMPILER).parent), str(Path(find_uv()).parent), "/usr/local/bin:/usr/bin:/bin"]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        command,
        cwd=job.folder,
        env={
            **kept,
            "PATH": os.pathsep.join(path),
            "UV_CACHE_DIR": str(job.caches / "uv"),
            "PIP_CACHE_DIR": str(job.caches / "pip"),
            **more,
        },
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise BuildFailedError((done.stderr.strip() or done.stdout.strip())[-1_500:])


def _zip(job: Job, folder: Path) -> Path:
    """`zip -r`, as AWS's documentation of layers says, from the folder that holds `python/`."""
    archive = job.folder / "layer.zip"
    _run(replace(job, folder=folder), ["zip", "-q", "-r", str(archive), "python"])
    return archive


def _strata(job: Job) -> Path:
    """With an empty folder of archives, and the caches of what archives are made of."""
    build = job.folder / ".build"
    build.mkdir()
    kept = job.caches / "strata"
    kept.mkdir(parents=True, exist_ok=True)
    for cache in ("assets", "runtime", "wheels"):
        (kept / cache).mkdir(exist_ok=True)
        (build / cache).symlink_to(kept / cache)
    (kept / "made.sqlite").touch()
    (build / "made.sqlite").symlink_to(kept / "made.sqlite")
    command = [sys.executable, "-m", "layer_builds", "build", job.layer]
    command += ["--runtime", RUNTIME, "--architecture", job.architecture]
    _run(replace(job, folder=job.builder.parent), command, STRATA_BUILD_DIR=str(build))
    return next((build / "layers").glob("*.zip"))


def _requirements(job: Job, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "requirements.txt").write_text(pins(job.builder, job.layer, job.architecture), encoding="utf-8")


def _pip(job: Job) -> Path:
    _requirements(job, job.folder)
    command = [str(find_interpreter(COMPILER)), "-m", "pip", "install", "--quiet", "-r", "requirements.txt"]
    platform = ["--platform", WHEEL_PLATFORMS[job.architecture], "--implementation", "cp", "--only-binary=:all:"]
    _run(job, [*command, *platform, "--python-version", "3.13", "--target", "python"])
    return _zip(job, job.folder)


def _plain_pip(job: Job) -> Path:
    _requirements(job, job.folder)
    pip = [str(find_interpreter(COMPILER)), "-m", "pip", "install", "--quiet"]
    _run(job, [*pip, "-r", "requirements.txt", "--target", "python"])
    return _zip(job, job.folder)


def _builders(job: Job, manager: str) -> Path:
    _requirements(job, job.folder / "source")
    script = [str(job.tools / "aws/bin/python"), "-c", BUILDERS_SCRIPT]
    (job.folder / "python").mkdir()
    (job.folder / "scratch").mkdir()
    _run(job, [*script, manager, "source", RUNTIME, job.architecture])
    return _zip(job, job.folder)


def _sam(job: Job) -> Path:
    _requirements(job, job.folder / "layer")
    text = SAM_TEMPLATE.format(runtime=RUNTIME, architecture=job.architecture)
    (job.folder / "template.yaml").write_text(text, encoding="utf-8")
    _run(job, [str(job.tools / "aws/bin/sam"), "build"], SAM_CLI_TELEMETRY="0")
    return _zip(job, job.folder / ".aws-sam" / "build" / "Layer")


def _stelvio(job: Job) -> Path:
    _requirements(job, job.folder)
    (job.folder / "stlv_app.py").touch()
    _run(job, [str(job.tools / "stelvio/bin/python"), "-c", STELVIO_SCRIPT, RUNTIME, job.architecture])
    return _zip(job, job.folder)


_AWS = "https://docs.aws.amazon.com/lambda/latest/dg"
_BUILDERS = "https://github.com/aws/aws-lambda-builders"
CONTENDERS: Final = (
    Contender("strata", "`python -m layer_builds build`", _strata),
    Contender("pip install -t, zip", f"[AWS: layers]({_AWS}/python-layers.html)", _plain_pip, slow=True),
    Contender("pip with --platform, zip", f"[AWS: native libraries]({_AWS}/python-package.html)", _pip, slow=True),
    Contender("aws-lambda-builders, uv; zip", f"[its README]({_BUILDERS})", lambda job: _builders(job, "uv")),
    Contender(
        "aws-lambda-builders, pip; zip", f"[its README]({_BUILDERS})", lambda job: _builders(job, "pip"), slow=True
    ),
    Contender(
        "sam build; zip",
        "[AWS SAM: building layers](https://docs.aws.amazon.com/serverless-application-model/latest/"
        "developerguide/building-layers.html)",
        _sam,
        slow=True,
    ),
    Contender("Stelvio's builder; zip", "[Stelvio](https://stelvio.dev/docs/)", _stelvio),
)
