"""Looking for a secret's value in everything that a run leaves behind, in plain text and in the usual disguises."""

from __future__ import annotations

import base64
import io
import json
import urllib.parse
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.engine.inventory import code_of
from tests.engine.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.account import Account
    from tests.engine.inventory import Inventory


def disguises(value: str) -> set[bytes]:
    """A value as it may be written: as it is, percent-encoded, as JSON, in hex, and inside a base64 text."""
    raw = value.encode()
    found = {raw, urllib.parse.quote(value, safe="").encode(), json.dumps(value)[1:-1].encode(), raw.hex().encode()}
    for offset in range(3):
        # What is in front shifts the letters; those that also depend on the neighbours are cut off.
        text = base64.b64encode(b"\0" * offset + raw)
        found.add(text[(0, 2, 3)[offset] : -4])
    return found


def where(haystacks: Mapping[str, bytes], value: str) -> list[str]:
    """The names of the places that hold a value."""
    needles = disguises(value)
    return sorted(name for name, content in haystacks.items() if any(needle in content for needle in needles))


class ArgumentWatch(Watch):
    """Collects the command lines of all processes of this machine while it is on."""

    poll_seconds = 0.02

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[bytes] = set()

    def look(self) -> None:
        """Look once."""
        for process in Path("/proc").iterdir():
            if not process.name.isdigit():
                continue
            try:
                self.seen.add((process / "cmdline").read_bytes())
            except OSError:  # it has ended
                continue


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder, and what is inside zips."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield from opened(str(path), path.read_bytes())


def opened(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """A file and, if it is a zip, its members."""
    yield name, content
    if content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield f"{name}!{member}", archive.read(member)


def account_contents(account: Account, inventory: Inventory) -> Iterator[tuple[str, bytes]]:
    """Whatever the account shows of itself, but for the secrets' own values."""
    for name, described in inventory.items():
        yield name, json.dumps(described, default=str).encode()
    yield from _code(account)
    yield from _objects(account)
    yield from _messages(account)
    yield from _log_lines(account)


def _code(account: Account) -> Iterator[tuple[str, bytes]]:
    client = account.client("lambda")
    for function in client.list_functions()["Functions"]:
        name = function["FunctionName"]
        for version in client.list_versions_by_function(FunctionName=name)["Versions"]:
            for member, content in code_of(client, name, version["Version"]).items():
                yield f"code {name}:{version['Version']}!{member}", content


def _objects(account: Account) -> Iterator[tuple[str, bytes]]:
    client = account.client("s3")
    for bucket in client.list_buckets()["Buckets"]:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"]):
            for found in page.get("Contents") or ():
                answer: Any = client.get_object(Bucket=bucket["Name"], Key=found["Key"])
                name = f"s3://{bucket['Name']}/{found['Key']}"
                yield f"{name} metadata", json.dumps(answer["Metadata"]).encode()
                yield from opened(name, answer["Body"].read())


def _messages(account: Account) -> Iterator[tuple[str, bytes]]:
    """Every message that can be received; left where it is."""
    client = account.client("sqs")
    for url in client.list_queues().get("QueueUrls") or ():
        while True:
            answer = client.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=5,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            if not answer.get("Messages"):
                break
            for message in answer["Messages"]:
                yield f"{url} {message['MessageId']}", json.dumps(message).encode() + message["Body"].encode()


def _log_lines(account: Account) -> Iterator[tuple[str, bytes]]:
    client = account.client("logs")
    for page in client.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            lines = [
                event["message"]
                for events in client.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
                for event in events["events"]
            ]
            yield f"log {group['logGroupName']}", "\n".join(lines).encode()
