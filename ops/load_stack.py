"""Finding a stack: a deployed one through the pulumi CLI, the sandbox's through its state file.

Reads outputs, region and profile; nothing else of Pulumi's state, and no secret.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from ops.errors import OpsError
from ops.pulumi_cli import run_pulumi
from ops.stack import LOCAL, Stack
from ops.stack_file import read_config, stack_file

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parent.parent


def load_stack(name: str, *, root: Path = ROOT, config_file: Path | None = None) -> Stack:
    """The named stack: `local` from the sandbox that is running, any other from Pulumi's state."""
    return load_local(root) if name == LOCAL else load_deployed(name, root=root, config_file=config_file)


def load_local(root: Path) -> Stack:
    """The stack in the running sandbox."""
    file = Path(os.environ.get("STRATA_SANDBOX_DIR") or root / ".sandbox") / "state.json"
    try:
        state = json.loads(file.read_text())
        account, region, endpoint = str(state["account"]), str(state["region"]), str(state["endpoint"])
        outputs = dict(state["outputs"])
    except FileNotFoundError:
        raise OpsError("no local cloud is running here (no .sandbox/state.json): start it with `make up`") from None
    except (ValueError, KeyError, TypeError) as error:
        raise OpsError(f"{file} could not be read ({error!r}): stop `make up` and start it again") from None
    # To the emulator the account's number is the access key of its root user.
    session = boto3.Session(aws_access_key_id=account, aws_secret_access_key="local", region_name=region)  # noqa: S106 (no secret)
    return Stack(name=LOCAL, outputs=outputs, session=session, endpoint=endpoint)


def load_deployed(name: str, *, root: Path, config_file: Path | None = None) -> Stack:
    """A stack that `pulumi up` deployed; outputs that are secret stay hidden."""
    file = config_file or stack_file(name, root)
    output = run_pulumi(["stack", "output", "--json", "--stack", name], root)
    session = session_for(read_config(file))
    return Stack(name=name, outputs=json.loads(output), session=session, config_file=file, project=root)


def session_for(config: Mapping[str, Any]) -> boto3.Session:
    """Credentials and region as the provider takes them: `aws:profile` and `aws:region`, else boto3's own chain."""
    profile, region = config.get("aws:profile"), config.get("aws:region")
    return boto3.Session(
        profile_name=profile if isinstance(profile, str) else None,
        region_name=region if isinstance(region, str) else None,
    )
