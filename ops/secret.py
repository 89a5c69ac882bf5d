"""Giving a function its secrets: the value comes from stdin and goes to Secrets Manager or Parameter Store only.

No value is ever taken from the command line (every process can read argv), printed, logged, or put into an exception.
"""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, TextIO

from botocore.exceptions import ClientError

from lambdas.shared.key_values import KeyFormError, check_form
from ops.aws_errors import code_of
from ops.errors import OpsError, UsageError
from ops.report import Report, Table

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_ssm.type_defs import PutParameterRequestTypeDef

    from ops.stack import Stack

LARGEST_SECRET = 65_536
"""Bytes. https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html"""
LARGEST_PARAMETER = 8192
"""Bytes, of an advanced parameter. https://docs.aws.amazon.com/general/latest/gr/ssm.html"""
SECRETS_MANAGER = "Secrets Manager"
PARAMETER_STORE = "Parameter Store"


def read_value(stream: TextIO | None = None, *, keep_whitespace: bool = False) -> str:
    """The value on stdin, without the one line ending that `echo` and editors add.

    Raises UsageError for a value that is empty, or that begins or ends with white space: no provider issues such a key,
    and a pasted blank would only show as a 401 in production. On a terminal the value is asked for without echo.
    """
    source: TextIO = stream or sys.stdin
    try:
        value = getpass.getpass("value (not shown): ") if source.isatty() else source.read()
        # In a locale such as C or POSIX, bytes that are not text are read as lone surrogates, and only fail here.
        value.encode()
    except UnicodeError:
        # `from None`: the original exception holds the bytes.
        raise UsageError("the value on stdin is not UTF-8 text: encode it (base64) first") from None
    value = value.removesuffix("\n").removesuffix("\r")
    if not value.strip():
        raise UsageError("the value on stdin is empty: pipe it in, for example `ops secret set … < key.txt`")
    if "\0" in value:
        raise UsageError("the value on stdin has a NUL character: encode it (base64) first")
    if value != value.strip() and not keep_whitespace:
        raise UsageError(
            "the value on stdin begins or ends with white space, or has more than one line ending at its end: "
            "strip it, or pass --keep-whitespace if it is really part of the secret"
        )
    return value


def place(reference: str) -> tuple[str, str]:
    """Which service keeps a secret, and under which id, from what the stack exports.

    >>> place("arn:aws:ssm:eu-central-1:123456789012:parameter/proofmark/supabase/config")
    ('Parameter Store', '/proofmark/supabase/config')
    """
    if ":secretsmanager:" in reference:
        return SECRETS_MANAGER, reference
    if ":parameter" in reference:
        name = reference.split(":parameter", 1)[1]
        # The ARN of a parameter without a path, `x`, is `…:parameter/x`: there the slash is not part of its name.
        return PARAMETER_STORE, name if name.count("/") > 1 else name.removeprefix("/")
    return PARAMETER_STORE, reference


def set_secret(stack: Stack, function_key: str, name: str, value: str) -> Report:
    """Store a value where the function looks for it; says what rotates."""
    function = stack.function(function_key)
    if name not in function.secrets:
        known = ", ".join(sorted(function.secrets)) or "none"
        raise UsageError(f"function {function_key} reads no secret {name!r}; it reads: {known}")
    try:
        check_form(name, value)
    except KeyFormError as error:
        raise UsageError(f"the value on stdin {error}; it was not stored") from None
    reference = function.secrets[name]
    service, identifier = place(reference)
    stack.check_account()
    if service == SECRETS_MANAGER:
        version = put_in_secrets_manager(stack.client("secretsmanager"), identifier, value)
    else:
        version = put_in_parameter_store(stack.client("ssm"), identifier, value)
    readers = sorted(
        f"{other.key}.{secret}"
        for other in stack.functions.values()
        for secret, where in other.secrets.items()
        if where == reference
    )
    return Report(
        data={
            "function": function_key,
            "secret": name,
            "service": service,
            "id": identifier,
            "version": version,
            "read_by": readers,
        },
        notes=[
            f"stored {name} of {function_key} in {service} as version {version}: {identifier}",
            f"read by {', '.join(readers)}: used when the cached value expires (five minutes), at once after a 401.",
            "Nothing has to be deployed. Revoke the old key after that.",
        ],
    )


def put_in_secrets_manager(client: SecretsManagerClient, identifier: str, value: str) -> str:
    """Add a version to a secret; the one before stays readable as AWSPREVIOUS. Returns the version's id."""
    size = len(value.encode())
    if size > LARGEST_SECRET:
        raise UsageError(f"the value has {size:,} bytes; Secrets Manager takes {LARGEST_SECRET:,}")
    try:
        return str(client.put_secret_value(SecretId=identifier, SecretString=value)["VersionId"])
    except ClientError as error:
        raise refused(error, "PutSecretValue", identifier) from None


def put_in_parameter_store(client: SSMClient, identifier: str, value: str) -> str:
    """Write a SecureString, under the key that it already has. Returns the version's number."""
    size = len(value.encode())
    if size > LARGEST_PARAMETER:
        raise UsageError(f"the value has {size:,} bytes; a parameter takes {LARGEST_PARAMETER:,}: use a secret instead")
    stored: PutParameterRequestTypeDef = {
        "Name": identifier,
        "Value": value,
        "Type": "SecureString",
        "Overwrite": True,
        "Tier": "Intelligent-Tiering",  # over 4 KB needs an advanced parameter, which is not free
    }
    try:
        found = client.describe_parameters(
            ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [identifier]}]
        )["Parameters"]
        if found and found[0]["Type"] != "SecureString":
            raise OpsError(
                f"parameter {identifier} is a {found[0]['Type']}, readable by anyone who may list parameters: "
                "delete it, and run this again to make a SecureString"
            )
        if found and found[0].get("KeyId"):
            stored["KeyId"] = found[0]["KeyId"]
        response = client.put_parameter(**stored)
    except ClientError as error:
        raise refused(error, "PutParameter", identifier) from None
    return str(response["Version"])


def refused(error: ClientError, action: str, identifier: str) -> OpsError:
    """What AWS said, by its code only: its message may quote the request."""
    return OpsError(f"{action} on {identifier} was refused: {code_of(error)}; the value was not stored")


def is_set(stack: Stack, reference: str) -> bool:
    """Whether a secret has a value, without reading it."""
    service, identifier = place(reference)
    if service == SECRETS_MANAGER:
        versions = stack.client("secretsmanager").describe_secret(SecretId=identifier).get("VersionIdsToStages") or {}
        return any("AWSCURRENT" in stages for stages in versions.values())
    found = stack.client("ssm").describe_parameters(
        ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [identifier]}]
    )
    return bool(found["Parameters"])


def list_secrets(stack: Stack) -> Report:
    """Every secret that a function reads, and whether it has a value."""
    found = [
        {
            "function": function.key,
            "secret": name,
            "service": place(where)[0],
            "id": place(where)[1],
            "set": is_set(stack, where),
        }
        for function in stack.functions.values()
        for name, where in sorted(function.secrets.items())
    ]
    rows = [
        ["ok" if secret["set"] else "fail", *(str(secret[key]) for key in ("function", "secret", "service", "id"))]
        for secret in found
    ]
    unset = [secret for secret in found if not secret["set"]]
    return Report(
        ok=not unset,
        data={"secrets": found},
        tables=[Table(title="secrets", columns=["", "function", "secret", "service", "id"], rows=rows)],
        notes=[
            f"{name} has no value: `python -m ops secret set --stack {stack.name} {function} {name}`"
            for function, name in ((secret["function"], secret["secret"]) for secret in unset)
        ],
    )
