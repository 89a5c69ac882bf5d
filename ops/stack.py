"""A stack's outputs, and the boto3 clients for the account that it runs in. Finding a stack is `load_stack`'s."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from botocore.config import Config

from ops.errors import OpsError, UsageError
from ops.values import as_object

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import boto3
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_sts import STSClient

LOCAL = "local"
"""The stack that `make up` keeps on this machine."""
LONGEST_FUNCTION_SECONDS = 900
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
CONNECT_SECONDS = 10
ATTEMPTS = 8
"""Of one call. Lambda takes 15 requests a second that are not invocations, and `prune` makes many:
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
ARN_PARTS = 6
QUEUES = ("queue_arn", "dlq_arn", "async_dlq_arn")


@dataclass(frozen=True, slots=True)
class Queue:
    """One SQS queue."""

    url: str
    arn: str


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
    published: str
    """The newest version that `pulumi up` has published; empty where the program that deployed it did not say."""
    log_group: str
    queue: Queue | None
    dead_letters: Queue | None
    """Where messages of the queue, or asynchronous events, go that failed for good."""
    secrets: Mapping[str, str]
    """Environment name of each secret → ARN in Secrets Manager, or name of a parameter."""
    secret_variables: Mapping[str, str]
    """Variable → the secret that it may say the place of, by its environment name."""
    api_id: str
    """Of the HTTP API in front of it; empty where it has none."""
    queues: frozenset[str]
    """Names of its queues and dead-letter queues."""
    layers: tuple[str, ...]
    runtime: str
    architecture: str
    image: str
    """Repository and tag of the newest version's container image; empty for a zip."""

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
    attempts: int = ATTEMPTS

    @property
    def functions(self) -> dict[str, Function]:
        """Every exported function by its name in the program."""
        exported = as_object(self.outputs.get("functions"))
        if not exported:
            raise OpsError(f"stack {self.name} exports no functions: {self.how_to_deploy()}")
        return {key: read_function(key, value) for key, value in exported.items()}

    def function(self, key: str) -> Function:
        """One function; an unknown name is a usage error that lists the known ones."""
        functions = self.functions
        if key not in functions:
            raise UsageError(f"stack {self.name} has no function {key!r}; it has: {', '.join(sorted(functions))}")
        return functions[key]

    def how_to_deploy(self) -> str:
        """What deploys this stack."""
        if self.name == LOCAL:
            return "start it with `make up`"
        return f"deploy it with `python -m ops deploy --stack {self.name}`"

    @overload
    def client(self, service: Literal["cloudwatch"]) -> CloudWatchClient: ...
    @overload
    def client(self, service: Literal["ecr"]) -> Any: ...
    @overload
    def client(self, service: Literal["lambda"]) -> LambdaClient: ...
    @overload
    def client(self, service: Literal["logs"]) -> CloudWatchLogsClient: ...
    @overload
    def client(self, service: Literal["s3"]) -> S3Client: ...
    @overload
    def client(self, service: Literal["secretsmanager"]) -> SecretsManagerClient: ...
    @overload
    def client(self, service: Literal["sns"]) -> SNSClient: ...
    @overload
    def client(self, service: Literal["sqs"]) -> SQSClient: ...
    @overload
    def client(self, service: Literal["ssm"]) -> SSMClient: ...
    @overload
    def client(self, service: Literal["sts"]) -> STSClient: ...
    def client(self, service: Any) -> Any:
        """A boto3 client for this stack's account and region; what AWS throttles is tried again."""
        retries = Config(
            connect_timeout=CONNECT_SECONDS, retries={"mode": "standard", "total_max_attempts": self.attempts}
        )
        return self._client(service, retries)

    def invoker(self) -> LambdaClient:
        """A Lambda client for calling functions: it waits as long as one may run and never repeats a call.

        botocore's own defaults (60 s, then again) would run a slow function several times.
        """
        once = Config(read_timeout=LONGEST_FUNCTION_SECONDS + 10, retries={"total_max_attempts": 1})
        return self._client("lambda", once)

    def _client(self, service: str, config: Config) -> Any:
        # Any: the stubs name services whose types are not installed.
        session = cast("Any", self.session)
        return session.client(service, endpoint_url=self.endpoint, config=config)

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


def read_queue(value: Mapping[str, Any], kind: str) -> Queue | None:
    """A function's queue or dead-letter queue; None where it has none."""
    return Queue(str(value[f"{kind}_url"]), str(value[f"{kind}_arn"])) if value.get(f"{kind}_url") else None


def read_variables(value: Mapping[str, Any]) -> dict[str, str]:
    """Which variables may say where a function's secrets are; an older program did not export them."""
    secrets = as_object(value.get("secrets")) or {}
    by_secret = as_object(value.get("secret_variables"))
    if by_secret is None:
        by_secret = {secret: [f"{secret}_SECRET_ARN", f"{secret}_PARAMETER"] for secret in secrets}
    return {str(variable): secret for secret, variables in by_secret.items() for variable in variables}


def read_function(key: str, value: Mapping[str, Any]) -> Function:
    """One exported function; a missing field says which one."""
    try:
        arn, alias_arn = str(value["arn"]), str(value["alias_arn"])
        if len(arn.split(":")) < ARN_PARTS:
            raise OpsError(f"output functions.{key}.arn is {arn!r}, not an ARN: deploy once more")
        return Function(
            key=key,
            name=str(value["name"]),
            alias=alias_arn.rsplit(":", 1)[1],
            arn=arn,
            published=str(value.get("published", "")),
            log_group=str(value["log_group"]),
            queue=read_queue(value, "queue"),
            dead_letters=read_queue(value, "dlq") or read_queue(value, "async_dlq"),
            secrets=dict(value.get("secrets") or {}),
            secret_variables=read_variables(value),
            api_id=str(value.get("api_id", "")),
            queues=frozenset(str(value[name]).rsplit(":", 1)[-1] for name in QUEUES if value.get(name)),
            layers=tuple(value.get("layers") or ()),
            runtime=str(value.get("runtime", "")),
            architecture=str(value.get("architecture", "")),
            image=str(value.get("image", "")),
        )
    except KeyError as missing:
        raise OpsError(
            f"output functions.{key} has no {missing}: another version of the program deployed it; deploy again"
        ) from None
