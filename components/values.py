"""Checks of single config values: each returns the value as it is used, or raises ValueError with the remedy.

Owns formats (ARNs, hosts, names), not bounds (`limits.py`) and not rules between keys (`settings.py`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, quote_plus, urlsplit

from components import limits
from layer_builds.plan import RUNTIMES, LayerBuildError, Target

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
SECRET_LOOKING: Final = re.compile(r"(^|_)(API_?KEY|SECRET|SECRET_KEY|PASSWORD|TOKEN|PRIVATE_KEY|CREDENTIALS)$")
PARTITION: Final = r"arn:aws(-[a-z]+)*"


def runtime_name(value: str) -> str:
    """Accept a Lambda runtime that layers are locked and tested for."""
    try:
        return Target(value, "arm64").runtime
    except LayerBuildError as error:
        raise ValueError(f"{error}. Choose one of {', '.join(RUNTIMES)}") from None


def secret_arn(value: str) -> str:
    """Accept a whole Secrets Manager ARN: IAM needs the six characters that AWS appends."""
    return _matches(
        value,
        rf"{PARTITION}:secretsmanager:[a-z0-9-]+:\d{{12}}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{{6}}",
        "it must be a secret's whole ARN, with the six characters that AWS appends to its name, or the role could not "
        "be granted it. `aws secretsmanager describe-secret` prints it",
    )


def parameter_name(value: str) -> str:
    """Accept a Parameter Store name."""
    return _matches(
        value,
        r"(?!/?(?i:aws|ssm))(?:[A-Za-z0-9_.-]+|(?:/[A-Za-z0-9_.-]+){1,15})",
        "it must be a parameter's name, such as /team/openai-key: letters, digits and _ . -, in up to 15 parts after "
        "a / each; names that begin with aws or ssm are AWS's own",
    )


def key_arn(value: str) -> str:
    """Accept a KMS key's ARN; an alias cannot be granted."""
    return _matches(
        value,
        rf"{PARTITION}:kms:[a-z0-9-]+:\d{{12}}:key/[A-Za-z0-9-]+",
        "it must be a key's ARN (arn:aws:kms:<region>:<account>:key/<id>): a policy cannot grant an alias",
    )


def topic_arn(value: str) -> str:
    """Accept an SNS topic's ARN."""
    return _matches(
        value,
        rf"{PARTITION}:sns:[a-z0-9-]+:\d{{12}}:[A-Za-z0-9_-]{{1,256}}",
        "it must be an SNS topic's ARN (arn:aws:sns:<region>:<account>:<topic>), not encrypted with alias/aws/sns: "
        "alarms cannot publish to such a topic",
    )


def policy_arn(value: str) -> str:
    """Accept a managed policy's ARN, the customer's or AWS's own."""
    return _matches(
        value,
        rf"{PARTITION}:iam::(\d{{12}}|aws):policy/[A-Za-z0-9/_+=,.@-]+",
        "it must be a managed policy's ARN (arn:aws:iam::<account>:policy/<name>)",
    )


def bucket_name(value: str) -> str:
    """Accept an S3 bucket's name."""
    return _matches(
        value,
        r"(?!xn--|[0-9.]+$|.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        "it must be a bucket's name: 3 to 63 lower-case letters, digits and . -, no IP address, no two dots together",
    )


def profile(value: str) -> str:
    """Accept an AWS profile that means the same to sh and to cmd.exe: it goes into a command line unquoted."""
    return _matches(
        value,
        r"[A-Za-z0-9][A-Za-z0-9._+@=-]*",
        "it goes into a command line, so only letters, digits and . _ + @ = - are accepted. Rename it in AWS's "
        "config file, or leave the key out and set AWS_PROFILE",
    )


def api_url(value: str) -> str:
    """Accept the base URL of an API."""
    url = _split(value, "a whole URL, such as https://api.example.com/v1")
    if not url.scheme:
        raise ValueError("it must be a whole URL, such as https://api.example.com/v1")
    _check_transport(url)
    return value.rstrip("/")


def index_host(value: str) -> str:
    """Accept the host of a Pinecone index, with or without the scheme."""
    what = "the host that the Pinecone console shows for the index, such as docs-a1b2c3d.svc.aped-4627-b74a.pinecone.io"
    url = _split(value if "://" in value else f"https://{value}", what)
    if url.path.strip("/"):
        raise ValueError(f"it must be {what}, without a path")
    if "." not in (url.hostname or "") and url.hostname not in LOOPBACK:
        raise ValueError(f"it must be {what}: a name without a dot is the index's name, not its host")
    _check_transport(url)
    return value.rstrip("/")


def model_name(value: str) -> str:
    """Accept the name of a model, in a provider's words."""
    return _matches(value, r"[!-~]{1,512}", "it must be a model's name, such as gpt-5-mini: ASCII, without spaces")


def subnet_ids(value: list[str]) -> list[str]:
    """Accept the ids of a function's subnets."""
    return _ids(value, "subnet", limits.VPC_SUBNETS)


def security_group_ids(value: list[str]) -> list[str]:
    """Accept the ids of a function's security groups."""
    return _ids(value, "sg", limits.VPC_SECURITY_GROUPS)


def base_images(value: Mapping[str, str]) -> dict[str, str]:
    """Accept base images by digest: a tag is moved, and what was tested is then not what runs."""
    for runtime, image in value.items():
        runtime_name(runtime)
        _matches(
            image,
            r"[a-z0-9.:/_-]+@sha256:[0-9a-f]{64}",
            f"{runtime} is {image!r}: it must be an image by its digest (<repository>@sha256:<64 digits>). "
            f"`python -m ops images pin --stack <stack> --runtime {runtime}` writes it",
        )
    return dict(value)


def bucket_label(value: str) -> str:
    """Accept the name that a stack's config gives to one of its buckets."""
    return _matches(
        value,
        rf"[a-z]([a-z0-9-]{{0,{limits.BUCKET_LABEL_LENGTH - 2}}}[a-z0-9])?",
        f"it must be 1 to {limits.BUCKET_LABEL_LENGTH} lower-case letters, digits and hyphens, and begin with a "
        "letter: it becomes part of the bucket's name",
    )


def key_part(value: str) -> str:
    """Accept the beginning or the end of S3 keys, as a notification's filter has it."""
    if len(filter_text(value)) > limits.S3_KEY_BYTES or "*" in value or value.startswith("/"):
        raise ValueError(
            f"it must be plain text, at most {limits.S3_KEY_BYTES} bytes when URL-encoded: S3's filters know no "
            "wildcard, and its keys do not start with /"
        )
    return value


def filter_text(part: str) -> str:
    """Return the beginning or the end of S3 keys as S3 compares it: with keys as events have them, form-URL-encoded.

    A filter `year=2026/` matches no key, and nobody is told: https://github.com/aws/aws-cdk/pull/28012,
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-event-notifications.html.
    """
    return quote_plus(part, safe="/").replace("~", "%7E")


def log_retention(value: int) -> int:
    """Accept a number of days that CloudWatch Logs knows."""
    limits.check_retention(value)
    return value


def recovery_window(value: int) -> int:
    """Accept a number of days that Secrets Manager knows."""
    if value != 0 and not limits.SECRET_RECOVERY.low <= value <= limits.SECRET_RECOVERY.high:
        raise ValueError(
            f"Secrets Manager accepts 0 (deleted at once, for good) or {limits.SECRET_RECOVERY} "
            f"({limits.SECRET_RECOVERY.link})"
        )
    return value


def plain_variables(value: Mapping[str, str]) -> dict[str, str]:
    """Accept extra environment variables that are neither Lambda's own nor look like a secret's value."""
    for name in value:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]+", name):
            raise ValueError(
                f"{name!r} is not a valid variable name: at least two letters, digits and _, starting with a letter"
            )
        if name in limits.RESERVED_VARIABLES:
            raise ValueError(f"Lambda keeps {name} for itself. Remove it")
        if SECRET_LOOKING.search(name.upper()):
            raise ValueError(
                f"{name} looks like a secret, and whoever may see the function may read its variables. Store the "
                "value in Secrets Manager or Parameter Store and pass its ARN or name instead"
            )
    return dict(value)


def _ids(value: list[str], kind: str, limit: limits.Limit) -> list[str]:
    if not limit.low <= len(value) <= limit.high or len(set(value)) != len(value):
        raise ValueError(f"it must be {limit}, each once ({limit.link})")
    for item in value:
        _matches(
            item, rf"{kind}-[0-9a-f]{{8,17}}", f"{item!r} is not a valid id: it must be like {kind}-0123456789abcdef0"
        )
    return value


def _matches(value: str, pattern: str, rule: str) -> str:
    if not re.fullmatch(pattern, value):
        raise ValueError(rule)
    return value


def _split(value: str, what: str) -> SplitResult:
    try:
        url = urlsplit(value)
        well_formed = bool(url.hostname) and url.port != 0 and value.isascii() and not re.search(r"[\s\\]", value)
    except ValueError:
        well_formed = False
        url = urlsplit("")
    if not well_formed or url.query or url.fragment:
        raise ValueError(f"it must be {what}")
    if url.username is not None or url.password is not None:
        raise ValueError(
            "it carries a user name or password, which would be in plain text in the function's environment"
        )
    return url


def _check_transport(url: SplitResult) -> None:
    """Keys and texts travel over this connection: TLS, except on this machine."""
    if url.scheme == "https" or (url.scheme == "http" and url.hostname in LOOPBACK):
        return
    raise ValueError(
        "it must use https: keys and texts travel over it. Plain http is for this machine only (127.0.0.1)"
    )
