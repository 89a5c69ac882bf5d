"""`mock-plan`: what a checkout's program declares, and how large its functions are, without a backend or credentials.

The program runs in a process of its own with nothing of this one's environment that could be a credential, since it may
come from a fork. Sizes are those of the layers' committed manifests.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layer_builds.plan import read_code, root_files
from ops.errors import OpsError
from ops.report import Report, write_file
from ops.stack import LOCAL
from ops.stack_file import no_config, read_config, read_yaml, stack_file
from ops.values import as_list, as_object

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM_TIMEOUT_SECONDS = 300
FORMAT = 1
FUNCTION = "aws:lambda/function:Function"
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV")
MOST_PACKAGES = 20
DEFAULT_REGION = "us-east-1"


def write_plan(program: Path, stack: str, output: Path) -> Report:
    """Write a checkout's plan as JSON; a program that refuses to run is a plan with an error, and a failure."""
    plan = make_plan(program, stack)
    write_file("--output", output, json.dumps(plan, indent=1) + "\n")
    resources, functions = plan["resources"], plan["functions"]
    note = f"{len(resources)} resources, {len(functions)} functions in {output}"
    return Report(
        ok=plan["error"] is None,
        data={"resources": len(resources), "functions": functions, "error": plan["error"], "written": str(output)},
        notes=[note, *([str(plan["error"])] if plan["error"] else [])],
    )


def make_plan(program: Path, stack: str, *, config_file: Path | None = None) -> dict[str, Any]:
    """Run the program of a checkout under mocks.

    Args:
        program: the folder of `Pulumi.yaml`.
        stack: the stack whose config file is used; encrypted values are replaced by a placeholder, and `local` is
            planned for this machine.
        config_file: the stack's config file; None means `Pulumi.<stack>.yaml` of the checkout.

    Returns:
        The plan. Its `error` says why the program refused to run, or that the checkout has no such stack: the comment
        on a pull request that adds or removes one still needs both plans.
    """
    if not (program / "Pulumi.yaml").is_file():
        raise OpsError(f"{program} holds no Pulumi.yaml: --program names a checkout of the program")
    project = str(read_yaml(program / "Pulumi.yaml").get("name", ""))
    file = config_file or stack_file(stack, program)
    name = stack.rsplit("/", 1)[-1]
    if not file.is_file():
        return {"format": FORMAT, "stack": name, "resources": [], "functions": [], "error": no_config(file)}
    config = read_config(file)
    encrypted = sorted(key for key, value in config.items() if has_secure(value))
    if stack == LOCAL:
        config = on_this_machine(config)
    region = config.get("aws:region")
    request = {
        "project": project,
        "stack": name,
        "region": region if isinstance(region, str) else DEFAULT_REGION,
        "encrypted": encrypted,
        "config": {key: config_text(value) for key, value in config.items()},
    }
    result = run_program(program, request)
    fill_in_code(result["resources"], program)
    functions = functions_of(result["resources"], program)
    return {"format": FORMAT, "stack": name, **result, "functions": functions}


def on_this_machine(config: dict[str, Any]) -> dict[str, Any]:
    """The local stack's config as the sandbox deploys it: by this Python, on this CPU."""
    from sandbox.stack import machine_values, merged
    from sandbox.workspace import SandboxError

    try:
        return merged(config, machine_values(config))
    except SandboxError as error:
        raise OpsError(str(error)) from None


def has_secure(value: Any) -> bool:
    """Whether a config value is, or holds, an encrypted one."""
    if (mapping := as_object(value)) is not None:
        return set(mapping) == {"secure"} or any(map(has_secure, mapping.values()))
    return any(map(has_secure, as_list(value) or ()))


def config_text(value: Any) -> str:
    """A config value as Pulumi hands it to the program."""
    if (mapping := as_object(value)) is not None and set(mapping) == {"secure"}:
        return "[secret]"
    return value if isinstance(value, str) else json.dumps(value)


def run_program(program: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Resources and error of one run, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-P", "-B", str(Path(__file__).with_name("mock_program.py").resolve()), str(result)]
        try:
            done = subprocess.run(
                command,
                cwd=program,
                input=json.dumps(request),
                env={name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
                capture_output=True,
                text=True,
                check=False,
                timeout=PROGRAM_TIMEOUT_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return {"resources": [], "error": f"the program did not end in {PROGRAM_TIMEOUT_SECONDS} s"}
        if not result.exists():
            return {"resources": [], "error": f"the program could not be run:\n{done.stderr.strip()[-2000:]}"}
        return json.loads(result.read_text())


def function_key(resource: Mapping[str, Any]) -> str:
    """The key of the system whose function a resource is."""
    return str(resource["name"]).removesuffix("-function").replace("-", "_")


def fill_in_code(resources: list[dict[str, Any]], program: Path) -> None:
    """Say what a function's code is, where the program waits for AWS to say it: its configuration's digest is in it."""
    for resource in resources:
        inputs = resource["inputs"]
        if resource["type"] != FUNCTION or not isinstance(inputs.get("code"), str):
            continue
        name = function_key(resource)
        with contextlib.suppress(FileNotFoundError):  # a checkout whose folders are called otherwise
            files = read_code(name, program, at_root=root_files(str(inputs["handler"])))
            text = json.dumps(files).encode()
            size = sum(len(content.encode()) for content in files.values())
            inputs["code"] = {"sha256": hashlib.sha256(text).hexdigest(), "bytes": size}


def functions_of(resources: list[dict[str, Any]], program: Path) -> list[dict[str, Any]]:
    """Each function's target, code and layers with their sizes."""
    versions = {
        arn_of(resource): resource["inputs"]
        for resource in resources
        if resource["type"] == "aws:lambda/layerVersion:LayerVersion"
    }
    found: list[dict[str, Any]] = []
    for resource in resources:
        if resource["type"] != FUNCTION or resource["inputs"].get("packageType") == "Image":
            continue
        inputs = resource["inputs"]
        target = f"{inputs.get('runtime')}-{(inputs.get('architectures') or ['x86_64'])[0]}"
        attached = [versions[arn] for arn in as_list(inputs.get("layers")) or () if arn in versions]
        found.append(
            {
                "name": str(resource["name"]).removesuffix("-function"),
                "target": target,
                "memory_mb": inputs.get("memorySize"),
                "reserved_concurrency": inputs.get("reservedConcurrentExecutions"),
                "code_bytes": int((as_object(inputs.get("code")) or {}).get("bytes", 0)),
                "layers": [layer_of(layer, target, program) for layer in attached],
            }
        )
    return found


def arn_of(resource: dict[str, Any]) -> str:
    """The ARN that the mock engine gave it, as others refer to it."""
    return str(resource["arn"])


def layer_of(inputs: dict[str, Any], target: str, program: Path) -> dict[str, Any]:
    """A layer's sizes, from the manifest of the checkout that declares it."""
    key = str(inputs.get("s3Key", ""))
    name, digest = [*key.split("/"), "", ""][1:3]
    entry: dict[str, Any] = {}
    manifest = program / "layer_builds" / "layers" / name / "manifest.json"
    if name and manifest.is_file():
        entry = json.loads(manifest.read_text()).get(target, {})
    packages: list[dict[str, Any]] = [
        {"name": package, "version": str(distribution["version"]), "bytes": int(distribution["bytes"])}
        for package, distribution in entry.get("distributions", {}).items()
    ]
    packages += [{"name": path, "version": "", "bytes": int(size)} for path, size in entry.get("assets", {}).items()]
    return {
        "name": name,
        "digest": digest.removesuffix(".zip"),
        "zip_bytes": int(entry.get("zip_bytes", 0)),
        "unzipped_bytes": int(entry.get("unzipped_bytes", 0)),
        "packages": sorted(packages, key=lambda package: -package["bytes"])[:MOST_PACKAGES],
    }
