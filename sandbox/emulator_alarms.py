"""DescribeAlarms in the query protocol, with every property: what the real Terraform provider reads an alarm by.

ministack leaves most of them out of its XML answer, though it holds them and gives them in JSON and CBOR; a deployment
tool then sees a change on every alarm, each time.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from lambdas.shared.json_values import is_list, is_object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Answer = tuple[int, dict[str, str], bytes]

HTTP_OK = 200
NAMESPACE = "http://monitoring.amazonaws.com/doc/2010-08-01/"


def whole_answer(original: Callable[..., Answer]) -> Callable[..., Answer]:
    """The emulator's own DescribeAlarms, its XML answers made from its JSON ones."""

    def describe(
        params: dict[str, Any], cbor_data: dict[str, Any], is_cbor: bool, is_json: bool = False
    ) -> Answer:  # the emulator's signature
        if is_cbor or is_json:
            return original(params, cbor_data, is_cbor, is_json)
        status, headers, body = original(params, _as_json(params), False, True)
        if status != HTTP_OK:
            return original(params, cbor_data, is_cbor, is_json)
        return status, {**headers, "Content-Type": "application/xml"}, _xml(json.loads(body))

    return describe


def _as_json(params: Mapping[str, Any]) -> dict[str, Any]:
    """The request's parameters as the JSON protocol has them; the query protocol numbers the members of a list."""
    wish: dict[str, Any] = {}
    for key in sorted(params, key=lambda name: (name.partition(".member.")[0], len(name), name)):
        value = params[key][0] if isinstance(params[key], list) else params[key]
        name, is_list, _ = key.partition(".member.")
        if is_list:
            wish.setdefault(name, []).append(value)
        elif name not in {"Action", "Version"}:
            wish[name] = int(value) if name == "MaxRecords" else value
    return wish


def _xml(answer: Mapping[str, Any]) -> bytes:
    inner = "".join(_element(key, value) for key, value in answer.items())
    text = (
        f'<DescribeAlarmsResponse xmlns="{NAMESPACE}"><DescribeAlarmsResult>{inner}</DescribeAlarmsResult>'
        "<ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></DescribeAlarmsResponse>"
    )
    return text.encode()


def _element(name: str, value: Any) -> str:
    """One value. What is not there has no element: an empty one would be an empty text."""
    if value is None:
        return ""
    if is_object(value):
        text = "".join(_element(key, item) for key, item in value.items())
    elif is_list(value):
        text = "".join(_element("member", item) for item in value)
    elif isinstance(value, bool):
        text = str(value).lower()
    elif name.endswith("Timestamp"):
        text = datetime.fromtimestamp(float(value), UTC).isoformat().replace("+00:00", "Z")
    else:
        text = escape(str(value))
    return f"<{name}>{text}</{name}>"
