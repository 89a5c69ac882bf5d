"""Runs a checkout's Pulumi program with nothing behind it and records what it declares.

Started by `mock_plan.py` in a process of its own, in the checkout's folder: the program may be anybody's. Imports only
pulumi and the standard library, so that it can run programs of other revisions.
"""

# Pulumi's mocks have no types.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any, cast

import pulumi
from google.protobuf.json_format import MessageToDict
from pulumi.runtime import config, mocks
from pulumi.runtime.stack import run_pulumi_func

ACCOUNT = "123456789012"
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 (a marker of the wire format)
ASSET = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Marks of https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/properties.go."""


class Nothing(mocks.Mocks):
    """A cloud in which every create succeeds: outputs are the inputs, and an ARN and a name made from the name."""

    def __init__(self, region: str) -> None:
        """In this region."""
        self.region = region

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """The inputs, and what others refer to."""
        made: dict[str, Any] = {"name": args.name, **args.inputs, "arn": self.arn(args.typ, args.name)}
        return f"{args.name}-id", made

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """What the program asks about its account."""
        answers: dict[str, dict[str, Any]] = {
            "aws:index/getCallerIdentity:getCallerIdentity": {
                "accountId": ACCOUNT,
                "arn": f"arn:aws:iam::{ACCOUNT}:root",
                "userId": "preview",
                "id": ACCOUNT,
            },
            "aws:index/getRegion:getRegion": {"region": self.region, "name": self.region, "id": self.region},
            "aws:index/getPartition:getPartition": {"partition": "aws", "dnsSuffix": "amazonaws.com", "id": "aws"},
        }
        return answers.get(args.token, {}), []

    def arn(self, token: str, name: str) -> str:
        """`arn:aws:lambda:eu-central-1:123456789012:function/embedding-function`."""
        parts = token.split(":")
        service, kind = (parts[1].split("/")[0], parts[2]) if len(parts) > 2 else ("", token)  # noqa: PLR2004 (a:b:c)
        return f"arn:aws:{service}:{self.region}:{ACCOUNT}:{kind[:1].lower()}{kind[1:]}/{name}"


class Recorder(mocks.MockMonitor):
    """Keeps every registration as it was asked for."""

    def __init__(self, cloud: Nothing) -> None:
        """Answered by `cloud`."""
        super().__init__(cloud)
        self.cloud = cloud
        self.recorded: list[dict[str, Any]] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 (the protocol's name)
        """Record, and answer."""
        answer = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            self.recorded.append(
                {
                    "urn": answer.urn,
                    "type": request.type,
                    "name": request.name,
                    "arn": self.cloud.arn(request.type, request.name),
                    "inputs": plain(MessageToDict(request.object)),
                }
            )
        return answer


def plain(value: Any) -> Any:
    """A property as it may be shown and compared: secrets hidden, files by their hash."""
    if isinstance(value, list):
        return [plain(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        mapping = cast("dict[str, Any]", value)
        return marked(mapping) if SIGNATURE in mapping else {key: plain(item) for key, item in mapping.items()}
    if isinstance(value, float) and value.is_integer():
        return int(value)  # the wire has no integers
    return "(known after deploying)" if value == UNKNOWN else value


def marked(value: dict[str, Any]) -> Any:
    """A property that is more than JSON."""
    mark = value[SIGNATURE]
    if mark in {ASSET, ARCHIVE}:
        digest, size = content(value)
        return {"sha256": digest, "bytes": size}
    return "[secret]" if mark == SECRET else "[reference]"


def content(value: dict[str, Any]) -> tuple[str, int]:
    """SHA-256 and bytes of an asset or archive."""
    if "assets" in value:
        parts = {name: content(asset) for name, asset in sorted(value["assets"].items())}
        names = "".join(f"{name}\0{digest}\n" for name, (digest, _) in parts.items())
        return hashlib.sha256(names.encode()).hexdigest(), sum(size for _, size in parts.values())
    if "text" in value:
        data = str(value["text"]).encode()
        return hashlib.sha256(data).hexdigest(), len(data)
    path = Path(str(value.get("path", "")))
    if not value.get("path") or not path.exists():
        return str(value.get("uri") or value.get("path")), 0
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    total, size = hashlib.sha256(), 0
    for file in files:
        data = file.read_bytes()
        total.update(f"{file.relative_to(path).as_posix()}\0{hashlib.sha256(data).hexdigest()}\n".encode())
        size += len(data)
    return total.hexdigest(), size


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Run `__main__.py` of the current folder; returns its resources, or what it refused to do."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    recorder = Recorder(Nothing(request["region"]))
    mocks.set_mocks(recorder.cloud, request["project"], request["stack"], preview=True, monitor=recorder)
    config.set_all_config(request["config"], request["encrypted"])

    def program() -> None:
        runpy.run_path("__main__.py", run_name="__main__")

    error = None
    try:
        loop.run_until_complete(run_pulumi_func(program))
    except pulumi.RunError as refused:
        error = str(refused)
    except Exception as failed:  # noqa: BLE001 (the program is anybody's; its failure is the result)
        error = f"{type(failed).__name__}: {failed}"
    return {"resources": sorted(recorder.recorded, key=lambda resource: resource["urn"]), "error": error}


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    result = run(json.load(sys.stdin))
    Path(sys.argv[1]).write_text(json.dumps(result))
    sys.stdout.flush()
    # Threads of an unfinished program must not keep the process.
    os._exit(0)
