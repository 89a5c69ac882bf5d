"""One use of uv: what it resolves for a target, and the one file of each package that is installed there."""

from __future__ import annotations

import re
import sys
import tomllib
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from layer_builds.build.tags import best_wheel
from layer_builds.host.processes import find_uv
from layer_builds.lock.refusals import no_wheel, refusal
from layer_builds.lock.sizes import Artifact
from layer_builds.plan import LayerBuildError, LayerSpec, Pin, Target, normal_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from layer_builds.host.processes import Runner

_LINE = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;#]+)(?:\s*;[^#]*)?(?:\s*# via (?P<via>.*))?")


class Resolver:
    """Runs uv for one target in one temporary folder, where no project's configuration is found."""

    def __init__(self, target: Target, run: Runner, folder: Path, platform: str | None = None) -> None:
        self._target = target
        self._run = run
        self._folder = folder
        self._platform = platform or target.uv_platform
        self.warnings: set[str] = set()
        self.artifacts: dict[Pin, Artifact] = {}
        """Where the files of pins are."""

    def together(
        self, group: Sequence[LayerSpec], kept: Mapping[str, str]
    ) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
        """Versions of everything that the group needs, and what asks for each."""
        source = self._requirements("together", [line.text for one in group for line in one.requirements()])
        output = self._folder / "together.txt"
        output.write_text("".join(f"{name}=={version}\n" for name, version in kept.items()), encoding="utf-8")
        self._compile(group, [str(source), "--annotation-style", "line", "--output-file", str(output)])
        versions: dict[str, str] = {}
        via: dict[str, tuple[str, ...]] = {}
        for line in output.read_text(encoding="utf-8").splitlines():
            found = _LINE.fullmatch(line.strip())
            if found is not None:
                name = normal_name(found["name"])
                versions[name] = found["version"]
                names = (re.sub(r"-r \S+", "requirements.in", part.strip()) for part in (found["via"] or "").split(","))
                via[name] = tuple(sorted(filter(None, names)))
        return versions, via

    def closure(self, layer: LayerSpec, versions: Mapping[str, str]) -> dict[str, Pin]:
        """Everything one layer needs, at those versions, with the one file of each that is installed."""
        source = self._requirements(layer.name, [line.text for line in layer.requirements()])
        constraints = self._requirements(f"{layer.name}-versions", [f"{name}=={one}" for name, one in versions.items()])
        output = self._folder / f"pylock.{layer.name}.toml"
        argv = [
            str(source),
            "--constraints",
            str(constraints),
            "--generate-hashes",
            "--format",
            "pylock.toml",
            "--output-file",
            str(output),
        ]
        self._compile([layer], argv)
        data = tomllib.loads(output.read_text(encoding="utf-8"))
        return {normal_name(str(one["name"])): self._pin(layer, one) for one in data.get("packages", [])}

    def _pin(self, layer: LayerSpec, package: dict[str, Any]) -> Pin:
        name = normal_name(str(package["name"]))
        version = str(package["version"])
        if name in layer.source:
            archive = package.get("sdist")
            if archive is None:
                raise LayerBuildError(
                    f"package {name} {version} is in `source` of layer {layer.name} and has no source archive"
                )
            return self._chosen(name, version, archive)
        wheels = {_file(wheel): wheel for wheel in package.get("wheels", [])}
        best = best_wheel(wheels, self._target)
        if best is None:
            raise LayerBuildError(no_wheel(layer, f"{name} {version}", sorted(wheels), self._target, self._platform))
        return self._chosen(name, version, wheels[best])

    def _chosen(self, name: str, version: str, artifact: dict[str, Any]) -> Pin:
        pin = Pin(name, version, artifact["hashes"]["sha256"], _file(artifact))
        known = int(artifact.get("size") or 0)
        self.artifacts[pin] = Artifact(f"{name} {version}", str(artifact.get("url") or ""), known)
        return pin

    def _requirements(self, name: str, lines: Sequence[str]) -> Path:
        path = self._folder / f"{name}.in"
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    def _compile(self, layers: Sequence[LayerSpec], more: Sequence[str]) -> None:
        # With `source`, uv must read source archives too; what has no wheel and is not in `source` is refused above.
        wheels = [] if any(one.source for one in layers) else ["--only-binary", ":all:"]
        argv = [
            *(find_uv(), "pip", "compile", "--no-progress", "--no-header", "--python", sys.executable),
            *("--python-version", self._target.facts.python, "--python-platform", self._platform, *wheels, *more),
        ]
        done = self._run(argv, cwd=self._folder)
        if done.returncode != 0:
            raise LayerBuildError(refusal(layers, self._target, self._platform, done.stderr))
        self.warnings |= set(re.findall(r"(?m)^warning: (.*\byanked\b.*)$", done.stderr))


def _file(artifact: dict[str, Any]) -> str:
    name = artifact.get("name") or unquote(urlsplit(str(artifact.get("url") or artifact.get("path"))).path)
    return str(name).rpartition("/")[2]
