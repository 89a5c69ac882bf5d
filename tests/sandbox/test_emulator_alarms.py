"""An alarm read in the query protocol, as the Terraform provider reads it, has all that was set."""

from __future__ import annotations

import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.emulator import Emulator
from sandbox.emulator_alarms import NAMESPACE
from sandbox.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.account import Account

ALARM: dict[str, Any] = {
    "AlarmName": "too-hot",
    "AlarmDescription": "Over 30 <degrees> & rising.",
    "Namespace": "Weather",
    "MetricName": "Temperature",
    "Dimensions": [{"Name": "town", "Value": "Zürich"}],
    "Statistic": "Maximum",
    "Period": 300,
    "EvaluationPeriods": 2,
    "DatapointsToAlarm": 1,
    "Threshold": 30.5,
    "ComparisonOperator": "GreaterThanThreshold",
    "TreatMissingData": "notBreaching",
    "AlarmActions": ["arn:aws:sns:eu-central-1:123456789012:heat"],
    "ActionsEnabled": True,
}


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with Workspace("alarms", tmp_path_factory.mktemp("sandbox")) as workspace:
        account = Emulator(workspace).start()
        account.client("cloudwatch").put_metric_alarm(**ALARM)
        account.client("cloudwatch").put_metric_alarm(**ALARM | {"AlarmName": "another"})
        yield account


def described(account: Account, **parameters: str) -> list[ET.Element]:
    """The alarms in the answer to a request of the query protocol."""
    body = urllib.parse.urlencode({"Action": "DescribeAlarms", "Version": "2010-08-01", **parameters}).encode()
    scope = f"{account.account}/20260101/{account.region}/monitoring/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}
    request = urllib.request.Request(account.endpoint, body, headers)  # noqa: S310 - the emulator's address
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        document = ET.fromstring(answer.read())  # noqa: S314 - from our own emulator
    return document.findall(f".//{{{NAMESPACE}}}MetricAlarms/{{{NAMESPACE}}}member")


def text(alarm: ET.Element, *path: str) -> str | None:
    return alarm.findtext("/".join(f"{{{NAMESPACE}}}{name}" for name in path))


def test_every_property_is_read_back(account: Account) -> None:
    (alarm,) = described(account, **{"AlarmNames.member.1": "too-hot"})
    for name, value in ALARM.items():
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            assert text(alarm, name) == str(value), name
    assert text(alarm, "ActionsEnabled") == "true"
    assert text(alarm, "AlarmActions", "member") == ALARM["AlarmActions"][0]
    assert (text(alarm, "Dimensions", "member", "Name"), text(alarm, "Dimensions", "member", "Value")) == (
        "town",
        "Zürich",
    )


def test_names_and_prefixes_choose(account: Account) -> None:
    assert len(described(account)) == 2
    assert len(described(account, **{"AlarmNames.member.1": "too-hot", "AlarmNames.member.2": "another"})) == 2
    assert [text(alarm, "AlarmName") for alarm in described(account, AlarmNamePrefix="ano")] == ["another"]
    assert described(account, **{"AlarmNames.member.1": "nobody"}) == []
