"""Reading a whole log group, whatever a page holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sandbox.cloud import log_messages

if TYPE_CHECKING:
    from tests.sandbox.hosted import Hosted


def test_more_streams_than_a_page_holds_are_all_read(hosted: Hosted) -> None:
    logs, now = hosted.account.client("logs"), int(time.time() * 1000)
    logs.create_log_group(logGroupName="many-streams")
    for number in range(60):  # 50 are a page; each cold start of a function has its own
        place = {"logGroupName": "many-streams", "logStreamName": f"stream-{number:02}"}
        logs.create_log_stream(**place)
        logs.put_log_events(**place, logEvents=[{"timestamp": now, "message": f"of {number}"}])
    assert sorted(log_messages(logs, "many-streams")) == sorted(f"of {number}" for number in range(60))


def test_a_group_without_streams_has_no_messages(hosted: Hosted) -> None:
    logs = hosted.account.client("logs")
    logs.create_log_group(logGroupName="no-streams")
    assert log_messages(logs, "no-streams") == []
