"""Where a stack runs and what it exports: a deployed one through the pulumi CLI, the sandbox's through its state file.

Owns finding outputs, region, profile and credentials, and the boto3 clients made from them. Reads nothing else of
Pulumi's state, and no secret.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import boto3
import yaml
from botocore.config import Config

from ops.errors import OpsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCAL = "local"
"""The stack that `make up` keeps on this machine."""
ROOT = Path(__file__).resolve().parent.parent
PULUMI_TIMEOUT_SECONDS = 120
LONGEST_FUNCTION_SECONDS = 900
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
ATTEMPTS = 8
"""Of one call. Lambda takes 15 requests a second that are not invocations, and `prune` makes many:
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
ARN_PARTS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function, as `__main__.py` exports it."""

    key: str
    """Its name in the program: `embedding`."""
    name: str
    """Its name in AWS."""
    alias: str
    """The alias that every trigger calls."""
    arn: str
    log_group: str
    queue_url: str | None
    queue_arn: str | None
    dlq_url: str | None
    dlq_arn: str | None
    secrets: Mapping[str, str]
    """Environment name of each secret → ARN in Secrets Manager, or name of a parameter."""
    layers: tuple[str, ...]
    runtime: str
    architecture: str

    @property
    def account(self) -> str:
        """The account it runs in."""
        return self.arn.split(":")[4]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stack's outputs, and how to reach the account that it runs in."""

    name: str
    outputs: Mapping[str, Any]
    session: boto3.Session
    endpoint: str | None = None
    """Set for the sandbox; a deployed stack goes where boto3's own configuration says (AWS_ENDPOINT_URL included)."""
    config_file: Path | None = None
    """`Pulumi.<stack>.yaml`; None where nothing is to be written (the sandbox starts afresh each time)."""
    project: Path | None = None
    """The folder in which the pulumi CLI knows the stack; None where Pulumi keeps no state of it (the sandbox)."""

    @property
    def functions(self) -> dict[str, Function]:
        """Every exported function by its name in the program."""
        exported = self.outputs.get("functions")
        if not isinstance(exported, dict) or not exported:
            raise OpsError(f"stack {self.name} exports no functions: {self.way_to_deploy()}")
        functions = cast("dict[str, dict[str, Any]]", exported)
        return {key: read_function(key, value) for key, value in functions.items()}

    def function(self, key: str) -> Function:
        """One function; an unknown name is a usage error that lists the known ones."""
        functions = self.functions
        if key not in functions:
            raise UsageError(f"stack {self.name} has no function {key!r}; it has: {', '.join(sorted(functions))}")
        return functions[key]

    def way_to_deploy(self) -> str:
        """The command that deploys this stack."""
        return "start it with `make up`" if self.name == LOCAL else f"deploy it with `pulumi up --stack {self.name}`"

    def client(self, service: str) -> Any:
        """A boto3 client for this stack's account and region; what AWS throttles is tried again."""
        return self._client(service, Config(retries={"mode": "standard", "total_max_attempts": ATTEMPTS}))

    def invoker(self) -> Any:
        """A Lambda client for calling functions: it waits as long as one may run and never repeats a call.

        botocore's own defaults (60 s, then again) would run a slow function several times.
        """
        once = Config(read_timeout=LONGEST_FUNCTION_SECONDS + 10, retries={"total_max_attempts": 1})
        return self._client("lambda", once)

    def _client(self, service: str, config: Config) -> Any:
        clients = cast("Any", self.session)
        return clients.client(service, endpoint_url=self.endpoint, config=config)

    def check_account(self) -> str:
        """The account of the credentials; refuses when the stack's functions live in another one."""
        account = str(self.client("sts").get_caller_identity()["Account"])
        for function in self.functions.values():
            if function.account != account:
                raise OpsError(
                    f"the credentials are of account {account}, but stack {self.name} runs in {function.account}: "
                    "set AWS_PROFILE, or `aws:profile` in the stack's config, to that account"
                )
        return account


def read_function(key: str, value: Mapping[str, Any]) -> Function:
    """One exported function; a missing field says which one."""
    try:
        arn, alias_arn = str(value["arn"]), str(value["alias_arn"])
        if len(arn.split(":")) < ARN_PARTS:
            raise OpsError(f"output functions.{key}.arn is {arn!r}, not an ARN: run `pulumi up` once more")
        return Function(
            key=key,
            name=str(value["name"]),
            alias=alias_arn.rsplit(":", 1)[1],
            arn=arn,
            log_group=str(value["log_group"]),
            queue_url=value.get("queue_url"),
            queue_arn=value.get("queue_arn"),
            dlq_url=value.get("dlq_url"),
            dlq_arn=value.get("dlq_arn"),
            secrets=dict(value.get("secrets") or {}),
            layers=tuple(value.get("layers") or ()),
            runtime=str(value.get("runtime", "")),
            architecture=str(value.get("architecture", "")),
        )
    except KeyError as missing:
        raise OpsError(
            f"output functions.{key} has no {missing}: another version of the program deployed it; run `pulumi up`"
        ) from None


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
        raise OpsError(f"{file} cannot be read ({error!r}): stop `make up` and start it again") from None
    # To the emulator the account's number is the access key of its root user.
    session = boto3.Session(aws_access_key_id=account, aws_secret_access_key="local", region_name=region)  # noqa: S106 (no secret)
    return Stack(name=LOCAL, outputs=outputs, session=session, endpoint=endpoint)


def load_deployed(name: str, *, root: Path, config_file: Path | None = None) -> Stack:
    """A stack that `pulumi up` deployed; outputs that are secret stay hidden."""
    file = config_file or stack_config_file(name, root)
    output = run_pulumi(["stack", "output", "--json", "--stack", name], root)
    session = session_for(read_config(file))
    return Stack(name=name, outputs=json.loads(output), session=session, config_file=file, project=root)


def stack_config_file(name: str, root: Path) -> Path:
    """`Pulumi.dev.yaml` for `dev`, and for `organization/strata/dev`."""
    return root / f"Pulumi.{name.rsplit('/', 1)[-1]}.yaml"


def no_config(file: Path) -> str:
    """What to say of a stack whose config file is not there: which stacks have one beside it."""
    known = sorted(one.name.split(".")[1] for one in file.parent.glob("Pulumi.*.yaml"))
    return f"there is no {file.name}: there are {', '.join(known) or 'none'}"


def read_config(file: Path) -> dict[str, Any]:
    """The `config:` part of a stack's config file; empty where there is none."""
    if not file.exists():
        return {}
    try:
        content = yaml.safe_load(file.read_text())
    except yaml.YAMLError as error:
        raise OpsError(f"{file} is not YAML: {error}") from None
    config = content.get("config") if isinstance(content, dict) else None
    return dict(config) if isinstance(config, dict) else {}


def session_for(config: Mapping[str, Any]) -> boto3.Session:
    """Credentials and region as the provider takes them: `aws:profile` and `aws:region`, else boto3's own chain."""
    profile, region = config.get("aws:profile"), config.get("aws:region")
    return boto3.Session(
        profile_name=str(profile) if isinstance(profile, str) else None,
        region_name=str(region) if isinstance(region, str) else None,
    )


def run_pulumi(arguments: list[str], root: Path) -> str:
    """Stdout of one pulumi command; its own words where it fails."""
    try:
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
            timeout=PULUMI_TIMEOUT_SECONDS,
        )
    except FileNotFoundError:
        raise OpsError(
            "the pulumi CLI is not on PATH: install it (https://www.pulumi.com/docs/iac/download-install/), "
            "or name `--stack local` for the local cloud"
        ) from None
    except subprocess.TimeoutExpired:
        raise OpsError(f"`pulumi {' '.join(arguments)}` did not answer in {PULUMI_TIMEOUT_SECONDS} s") from None
    if done.returncode != 0:
        raise OpsError(f"`pulumi {' '.join(arguments)}` failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout
