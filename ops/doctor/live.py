"""Checks of what is deployed: live versions, code that nobody published, artifacts, secrets, alarms, the account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from components.names import PROJECT
from layer_builds.plan import ALL_TARGETS
from ops import secret
from ops.aws_errors import code_of
from ops.doctor.patient import Check, Finding, Patient
from ops.pins import missing_pins, newest_of
from ops.stack import LOCAL
from ops.values import as_items, as_object
from ops.version_fit import fit_of
from ops.versions import edits, live_version, numbers, published_versions, shares, told, versions_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ops.stack import Function, Stack

EDITED = (
    "`ops deploy --refresh` puts its settings or its image back; the code of a zip is the repository's again with the "
    "next version"
)
STRANGE = "nothing leads there, and nothing will by itself; delete it, so nobody rolls back to it: "


def check_live_versions(patient: Patient) -> Iterator[Finding]:
    """Whether the version that traffic goes to exists and fits its triggers."""
    if patient.stack is None:
        return
    for function in patient.stack.functions.values():
        yield from live_findings(patient.stack, function)


def check_pinned_versions(patient: Patient) -> Iterator[Finding]:
    """Whether each `live_version` of the config exists: no preview asks AWS for that."""
    for key, found in missing_pins(patient.stack, patient.config).items():
        remedy = f"`python -m ops rollback --stack {patient.name} {key} --to latest`, or a version that exists"
        yield Finding(f"live_version of {key}", "fail", found, remedy if patient.stack else "remove live_version")


def check_code(patient: Patient) -> Iterator[Finding]:
    """Whether `$LATEST` is what `pulumi up` published last, and nobody else has published anything."""
    if patient.stack is None:
        return
    client = patient.stack.client("lambda")
    for function in patient.stack.functions.values():
        versions = versions_of(client, function)
        published = numbers(versions)
        ours = int(function.published or max(published, default=0))
        title = f"code of {function.key}"
        if others := [str(number) for number in published if number > ours]:
            found = f"version {', '.join(others)} was published outside Pulumi, after version {ours}"
            delete = f"`aws lambda delete-function --function-name {function.name} --qualifier {others[0]}`"
            yield Finding(title, "warn", found, f"{STRANGE}{delete}")
        if ours in published and (edited := edits(versions["$LATEST"], versions[str(ours)])):
            found = (
                f"$LATEST is not what was published last, version {ours}: it was edited outside Pulumi "
                f"({', '.join(edited)})"
            )
            yield Finding(title, "warn", found, EDITED)


def live_findings(stack: Stack, function: Function) -> Iterator[Finding]:
    """One function."""
    client = stack.client("lambda")
    live, versions = live_version(client, function), published_versions(client, function)
    title = f"live version of {function.key}"
    if live not in map(str, versions):
        remedy = f"`python -m ops rollback --stack {stack.name} {function.key} --to latest`"
        found = f"the alias leads to {live}, which does not exist; {newest_of(versions)}"
        yield Finding(title, "fail", found, remedy)
        return
    if others := shares(client, function):
        found = (
            f"the alias leads to version {live}, and gives {told(others)} a share: a canary is running, or was cut off"
        )
        yield Finding(title, "warn", found, f"if it was: `python -m ops deploy --stack {stack.name} --take-over`")
    fit = fit_of(stack, function, live)
    for problem in fit.problems:
        yield Finding(title, "fail", f"version {live}: {problem}", "as said, or `python -m ops rollback`")
    if not fit.problems:
        yield Finding(title, "ok", f"version {live} fits its triggers", "; ".join(fit.notes))


def check_names(patient: Patient) -> Iterator[Finding]:
    """Whether the resources bear the stack's name: `pulumi stack rename` changes the state only."""
    for function in () if patient.stack is None or patient.name == LOCAL else patient.stack.functions.values():
        stem = f"{PROJECT}-{patient.name.rsplit('/', 1)[-1]}-"
        if not function.name.startswith(stem):
            found = f"{function.name} does not begin with {stem}: the stack was renamed after it was deployed"
            remedy = "the deploy role of the new name cannot reach it: docs/deploy.md, Renaming a stack"
            yield Finding(f"name of {function.key}", "warn", found, remedy)


def check_artifacts(patient: Patient) -> Iterator[Finding]:
    """Whether each layer's zip is still where the next layer version is made from."""
    if patient.stack is None:
        return
    s3 = patient.stack.client("s3")
    for layer in map(as_object, (as_object(patient.stack.outputs.get("layers")) or {}).values()):
        if layer is None or "key" not in layer:
            continue
        title, where = f"artifact of {layer['name']}", f"s3://{layer['bucket']}/{layer['key']}"
        try:
            s3.head_object(Bucket=str(layer["bucket"]), Key=str(layer["key"]))
        except ClientError as error:
            if code_of(error) not in {"404", "NoSuchKey", "NoSuchBucket", "NotFound"}:
                raise
            yield Finding(
                title, "warn", f"{where} is gone: a new layer version could not be made", publish(layer, patient)
            )
        else:
            yield Finding(title, "ok", where)


def publish(layer: Mapping[str, Any], patient: Patient) -> str:
    """The command that uploads a layer's zip again."""
    profile, compiler = patient.config.get("aws:profile"), patient.section("strata:layers").get("compiler")
    as_configured = [("--profile", profile), ("--compiler", compiler)]
    more = "".join(f" {option} {value}" for option, value in as_configured if value is not None)
    target = next((target for target in ALL_TARGETS if str(layer["name"]).endswith(f"-{target.tag}")), None)
    runtime, architecture = (target.runtime, target.architecture) if target else ("…", "…")
    name, account = str(layer["key"]).split("/")[1], str(layer["arn"]).split(":")
    return (
        f"`python -m layer_builds publish {name} --runtime {runtime} --architecture {architecture} "
        f"--bucket {layer['bucket']} --account {account[4]} --region {account[3]}{more}`"
    )


def check_secrets(patient: Patient) -> Iterator[Finding]:
    """Which secrets have a value."""
    if patient.stack is None:
        return
    for function in patient.stack.functions.values():
        for name, reference in sorted(function.secrets.items()):
            title = f"secret {name} of {function.key}"
            if secret.is_set(patient.stack, reference):
                yield Finding(title, "ok", "has a value")
            else:
                command = f"python -m ops secret set --stack {patient.name} {function.key} {name}"
                yield Finding(title, "fail", "has no value", f"`{command}`")


def check_alarms(patient: Patient) -> Iterator[Finding]:
    """Whether alarms tell anybody."""
    if patient.name == LOCAL:
        return
    topic = patient.section("strata:observability").get("alarm_topic_arn")
    if topic is None:
        remedy = f"`pulumi config set --path strata:observability.alarm_topic_arn <topic ARN> --stack {patient.name}`"
        yield Finding("alarms", "warn", "no topic is set, so an alarm notifies nobody", remedy)
    elif patient.account is not None:
        yield alarm_topic(patient.account, str(topic))


def alarm_topic(account: Stack, topic: str) -> Finding:
    """Whether there is a topic to tell: CloudWatch takes one that does not exist, and says nothing."""
    try:
        account.client("sns").get_topic_attributes(TopicArn=topic)
    except ClientError as error:
        if code_of(error) not in {"NotFound", "NotFoundException"}:
            raise
        remedy = "create it, or correct strata:observability.alarm_topic_arn"
        return Finding("alarms", "fail", f"{topic} does not exist: an alarm notifies nobody", remedy)
    return Finding("alarms", "ok", f"notify {topic}")


def check_account(patient: Patient) -> Iterator[Finding]:
    """Whether the config says which account the stack belongs to."""
    if patient.name == LOCAL or patient.account is None:
        return
    mine = patient.account.client("sts").get_caller_identity()["Account"]
    allowed = as_items(patient.config.get("aws:allowedAccountIds"))
    set_it = f"`pulumi config set --path 'aws:allowedAccountIds[0]' --type string {mine} --stack {patient.name}`"
    if not allowed:
        found = "aws:allowedAccountIds is not set: credentials of another account would deploy a second stack there"
        yield Finding("allowed accounts", "warn", found, set_it)
    elif mine not in map(str, allowed):
        found = f"the credentials are of {mine}, and aws:allowedAccountIds names {', '.join(map(str, allowed))}"
        yield Finding("allowed accounts", "fail", found, "use credentials of an allowed account")
    else:
        yield Finding("allowed accounts", "ok", mine)


LIVE: Final[tuple[Check, ...]] = (
    check_account,
    check_names,
    check_live_versions,
    check_pinned_versions,
    check_code,
    check_artifacts,
    check_secrets,
    check_alarms,
)
