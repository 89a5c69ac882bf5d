"""Every function's role as it is deployed: without any one of its statements, the calls that it is for are refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.cloud import LocalCloud
from sandbox.role_calls import CALLS, Role
from sandbox.roles import UNSEEN, check
from sandbox.stack import local_systems

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.xdist_group("local-cloud"), pytest.mark.slow]


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """All systems of the local stack; nothing is sent to them."""
    with LocalCloud("tests-roles") as running:
        yield running


@pytest.mark.parametrize("system", local_systems())
def test_each_statement_is_needed_for_the_calls_that_it_is_for(cloud: LocalCloud, system: str) -> None:
    grants = check(cloud, system)
    assert {"WriteLogs"} < {grant.sid for grant in grants}
    assert [grant for grant in grants if not grant.ok] == []


def test_every_action_is_tried_by_a_call_or_is_known_to_have_none(cloud: LocalCloud) -> None:
    """Those that the emulator has no API for are asked of its policy simulator."""
    granted = {action for system in cloud.systems for grant in check(cloud, system) for action in grant.actions}
    assert granted - CALLS.keys() <= {action for action in UNSEEN if action.startswith("xray:")}


def test_a_right_that_is_not_needed_and_one_that_stands_twice_are_found(cloud: LocalCloud) -> None:
    """A check of the check."""
    role = Role(cloud, cloud.function("image_processor")["role_arn"])
    bucket = cloud.outputs["buckets"]["images"]
    more: dict[str, Any] = {"Effect": "Allow", "Resource": [f"arn:aws:s3:::{bucket}/work/*"]}
    statements = [
        {**more, "Sid": "Twice", "Action": ["s3:GetObject"]},
        {**more, "Sid": "TooMuch", "Action": ["s3:DeleteObject"]},
    ]
    document = {"Version": "2012-10-17", "Statement": statements}
    cloud.client("iam").put_role_policy(RoleName=role.name, PolicyName="more", PolicyDocument=json.dumps(document))
    try:
        found = {grant.sid: grant for grant in check(cloud, "image_processor", cloud.emulator.asked())}
    finally:
        cloud.client("iam").delete_role_policy(RoleName=role.name, PolicyName="more")
    assert found["Twice"].still_allowed
    assert found["ReadObjects"].still_allowed
    assert found["TooMuch"].unused == ["s3:DeleteObject"]
    assert not found["TooMuch"].still_allowed
