"""Whether an update of a stack is running: Pulumi's lock, read where the backend keeps it.

The CLI has no command that looks at a lock without taking it, so the two backends that the documents speak of are read
directly (https://github.com/pulumi/pulumi/blob/master/pkg/backend/diy/lock.go); Pulumi Cloud says it in `stack ls`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ops.errors import OpsError
from ops.pulumi_cli import run_pulumi
from ops.stack_file import read_yaml
from ops.values import as_list, as_object

if TYPE_CHECKING:
    from urllib.parse import SplitResult


def running_updates(stack: str, project: Path) -> list[str]:
    """Who is updating a stack: one line for each lock.

    Args:
        stack: its name, also with organization and project.
        project: the folder of `Pulumi.yaml`.

    Raises:
        OpsError: the lock could not be read.
    """
    backend = urlsplit(str((as_object(json.loads(run_pulumi(["whoami", "--json"], project))) or {}).get("url", "")))
    name = stack.rsplit("/", 1)[-1]
    folder = f".pulumi/locks/organization/{read_yaml(project / 'Pulumi.yaml')['name']}/{name}/"
    try:
        match backend.scheme:
            case "file":
                return [described(file.read_text()) for file in sorted(local_root(backend).glob(f"{folder}*.json"))]
            case "s3":
                return s3_locks(backend, folder)
            case "https" | "http":
                return cloud_updates(name, project)
            case _:
                raise OpsError(f"the backend is {backend.geturl()}, whose locks are not read here")
    except (OSError, BotoCoreError, ClientError) as error:
        raise OpsError(f"the lock of {stack} could not be read: {error}") from None


def local_root(backend: SplitResult) -> Path:
    """The folder of a `file://` backend."""
    return Path(unquote(f"{backend.netloc}{backend.path}")).expanduser()


def s3_locks(backend: SplitResult, folder: str) -> list[str]:
    """The locks in a bucket, read with the credentials that the CLI takes: its own, not the provider's."""
    given = {key: values[0] for key, values in parse_qs(backend.query).items()}
    session: Any = boto3.Session(profile_name=given.get("profile"), region_name=given.get("region"))
    s3 = session.client("s3", endpoint_url=given.get("endpoint"))
    prefix = "/".join(part for part in (backend.path.strip("/"), folder) if part)
    found = s3.list_objects_v2(Bucket=backend.netloc, Prefix=prefix).get("Contents", [])
    return [described(s3.get_object(Bucket=backend.netloc, Key=lock["Key"])["Body"].read()) for lock in found]


def cloud_updates(name: str, project: Path) -> list[str]:
    """What Pulumi Cloud says."""
    stacks = as_list(json.loads(run_pulumi(["stack", "ls", "--json"], project))) or []
    busy = [stack for stack in map(as_object, stacks) if stack and stack.get("updateInProgress")]
    return [f"an update of {stack['name']}" for stack in busy if str(stack["name"]).rsplit("/", 1)[-1] == name]


def described(lock: str | bytes) -> str:
    """`ci@runner-7 (pid 1234), since 2026-11-28T08:00:00Z`."""
    try:
        found = as_object(json.loads(lock)) or {}
    except ValueError:
        found = {}
    who = f"{found.get('username', 'somebody')}@{found.get('hostname', 'somewhere')}"
    return f"{who} (pid {found.get('pid', '?')}), since {found.get('timestamp', 'a time that the lock does not say')}"
