"""A stack's config as Pulumi would read it: `Pulumi.yaml` and `Pulumi.<stack>.yaml`, with values laid over them."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lambdas.shared.json_values import is_object
from layer_builds.plan import REPOSITORY, LayerBuildError, host_architecture
from ops.errors import OpsError
from ops.stack_file import read_yaml
from sandbox.json_parts import part
from sandbox.lambda_code import running_runtime
from sandbox.systems import chosen, configured, problem, section
from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

AUTONAMING = "pulumi:autonaming"


@dataclass(frozen=True, slots=True)
class Stack:
    """What the program is run with."""

    project: str
    name: str
    config: Mapping[str, Any]
    """By full key (`strata:embedding`); objects are still objects."""
    naming: str
    default_tags: Mapping[str, str]

    def texts(self) -> dict[str, str]:
        """The config as the runtime takes it: text, objects as JSON."""
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in self.config.items()}

    def with_values(self, values: Mapping[str, Any]) -> Stack:
        """The same with values laid over the config, object by object."""
        return self.with_config(merged(self.config, values))

    def with_config(self, config: Mapping[str, Any]) -> Stack:
        """The same with another config."""
        return replace(self, config=config)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`; objects in both are merged."""
    result = dict(base)
    for key, value in over.items():
        known = result.get(key)
        result[key] = merged(known, value) if is_object(known) and is_object(value) else value
    return result


def machine_values(config: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What the local stack's systems are set to on this machine: the running Python's runtime, its CPU's architecture.

    Args:
        config: by full key; the answer is about the systems that have a section in it.

    Raises:
        SandboxError: Lambda has no such CPU.

    """
    try:
        machine = {"runtime": running_runtime(), "architecture": host_architecture()}
    except LayerBuildError:
        cpu = platform.machine()
        raise SandboxError(f"Lambda has no {cpu}: the sandbox needs an x86_64 or arm64 machine") from None
    # What no layers exist for on this CPU is not deployed; a plan shows it as it is.
    runnable = [name for name in configured(config) if problem(name) is None]
    rest = {"runtime": machine["runtime"]}
    return {section(name): machine if name in runnable else rest for name in configured(config)}


def load_stack(repository: Path, name: str) -> Stack:
    """Read a stack's files.

    Raises:
        SandboxError: a file is missing, or the config holds an encrypted value, which needs the real engine.

    """
    project = _read(repository / "Pulumi.yaml")
    config = {
        key if ":" in key else f"{project['name']}:{key}": value
        for key, value in part(_read(repository / f"Pulumi.{name}.yaml"), "config").items()
    }
    if hidden := [key for key, value in config.items() if is_object(value) and set(value) == {"secure"}]:
        raise SandboxError(f"Pulumi.{name}.yaml has encrypted values ({', '.join(hidden)}): only the engine reads them")
    naming: dict[str, Any] = config.pop(AUTONAMING, part(project, "config", AUTONAMING))
    pattern = (naming.get("value") or naming).get("pattern", "${name}-${hex(7)}")
    tags = part(config, "aws:defaultTags", "tags")
    return Stack(str(project["name"]), name, config, str(pattern), tags)


def left_out(wanted: Sequence[str] = ()) -> list[str]:
    """Why systems of the local stack are not deployed on this machine, a sentence each; none where some are wanted."""
    names = [] if wanted else configured(load_stack(REPOSITORY, "local").config)
    return [found for name in names if (found := problem(name)) is not None]


def local_systems(wanted: Sequence[str] = ()) -> list[str]:
    """The systems of the local stack that are deployed for these; for all of them when none is named.

    Raises:
        SandboxError: the stack has no such system; names those that it has.
    """
    return chosen(load_stack(REPOSITORY, "local").config, wanted)


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_yaml(path)
    except FileNotFoundError:
        raise SandboxError(f"{path} is missing: the sandbox deploys a stack's own config") from None
    except OpsError as error:
        raise SandboxError(str(error)) from None
