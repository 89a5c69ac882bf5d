"""What the emulator does as AWS does since amended: secrets without values, shares of traffic, single mappings."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from sandbox.emulator import Emulator
from sandbox.emulator_repeats import KEPT, Repeats
from sandbox.emulator_weights import chosen
from sandbox.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Message, Receive, Scope, Send

    from sandbox.account import Account

PROVIDER = "APN/1.0 HashiCorp/1.0 Terraform/1.11.4 terraform-provider-aws/5.100.0"


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with Workspace("amended", tmp_path_factory.mktemp("sandbox")) as workspace:
        yield Emulator(workspace).start()


def test_a_secret_without_a_value_has_none_until_one_is_put(account: Account) -> None:
    """It looked set: `ops doctor` and `ops secret list` said so of every new stack."""
    client = account.client("secretsmanager")
    made = client.create_secret(Name="empty")
    assert "VersionId" not in made
    assert client.describe_secret(SecretId="empty").get("VersionIdsToStages", {}) == {}
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.get_secret_value(SecretId="empty")
    version = client.put_secret_value(SecretId="empty", SecretString="value")["VersionId"]
    assert client.describe_secret(SecretId="empty")["VersionIdsToStages"] == {version: ["AWSCURRENT"]}
    assert client.get_secret_value(SecretId="empty")["SecretString"] == "value"


@pytest.mark.parametrize("value", [{"SecretString": "text"}, {"SecretBinary": b"bytes"}])
def test_a_secret_that_is_made_with_a_value_has_it(account: Account, value: dict[str, Any]) -> None:
    client, name = account.client("secretsmanager"), next(iter(value))
    made = client.create_secret(Name=name, **value)
    assert client.describe_secret(SecretId=name)["VersionIdsToStages"] == {made["VersionId"]: ["AWSCURRENT"]}
    assert client.get_secret_value(SecretId=name)[name] == value[name]


def version(number: int) -> dict[str, Any]:
    return {"config": {"Version": str(number)}}


@pytest.mark.parametrize("weights", [{}, {"2": 0.2}, {"2": 0.5, "3": 0.25}])
def test_each_version_of_an_alias_gets_its_share(weights: dict[str, float]) -> None:
    function = {
        "aliases": {"live": {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": weights}}},
        "versions": {str(number): version(number) for number in (1, 2, 3)},
    }
    primary = function["versions"]["1"]
    drawn = Counter(chosen(function, "live", primary)["config"]["Version"] for _ in range(4_000))
    expected = {"1": 1 - sum(weights.values()), **weights}
    assert drawn.keys() == expected.keys()
    # Seven standard deviations of a binomial: once in 10^11 runs.
    assert all(abs(drawn[name] / 4_000 - share) < 0.056 for name, share in expected.items())
    assert chosen(function, None, primary) is primary


def test_a_second_mapping_of_one_queue_to_one_function_is_refused(account: Account) -> None:
    role = account.client("iam").create_role(RoleName="mapped", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    functions, queues = account.client("lambda"), account.client("sqs")
    for name in ("one", "other"):
        functions.create_function(
            FunctionName=name, Role=role, Runtime="python3.11", Handler="x.y", Code={"ZipFile": b"PK\5\6" + bytes(18)}
        )
    queue = f"arn:aws:sqs:{account.region}:{account.account}:mapped"
    queues.create_queue(QueueName="mapped")
    first = functions.create_event_source_mapping(EventSourceArn=queue, FunctionName="one")["UUID"]
    with pytest.raises(ClientError, match=f"ResourceConflictException.*already exists.*{first}"):
        functions.create_event_source_mapping(EventSourceArn=queue, FunctionName="one")
    functions.create_event_source_mapping(EventSourceArn=queue, FunctionName="other")
    functions.delete_event_source_mapping(UUID=first)
    functions.create_event_source_mapping(EventSourceArn=queue, FunctionName="one")


def new_api(account: Account, agent: str, invocation: str) -> str:
    """CreateApi as a client sends it whose program names itself `agent`; the id of the API."""
    client: Any = account.session().client("apigatewayv2", endpoint_url=account.endpoint)

    def named(request: Any, **_: object) -> None:
        request.headers.update({"User-Agent": agent, "amz-sdk-invocation-id": invocation})

    client.meta.events.register("before-send.apigatewayv2.CreateApi", named)
    return str(client.create_api(Name="made", ProtocolType="HTTP")["ApiId"])


def test_a_create_that_the_deployment_tool_repeats_is_done_once(account: Account) -> None:
    """It gave up an answer that was on its way: a mapping was made twice, and one outlived `pulumi destroy`."""
    first = new_api(account, PROVIDER, "one")
    assert new_api(account, PROVIDER, "one") == first
    assert new_api(account, PROVIDER, "other") != first


def test_what_a_function_repeats_is_done_again(account: Account) -> None:
    assert new_api(account, "Boto3/1.43", "three") != new_api(account, "Boto3/1.43", "three")


class Counting:
    """Answers with the number of the request, after a wait in which others come."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.requests = 0

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        self.requests += 1
        body = str(self.requests).encode()
        await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": body})


async def asked(app: Repeats, invocation: str, method: str = "POST") -> bytes:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"user-agent", PROVIDER.encode()), (b"amz-sdk-invocation-id", invocation.encode())]
    await app({"type": "http", "method": method, "headers": headers}, receive, send)
    return b"".join(message.get("body", b"") for message in sent)


@pytest.mark.parametrize(
    ("status", "method", "expected"),
    [(200, "POST", b"1"), (201, "PUT", b"1"), (204, "DELETE", b"1"), (403, "POST", b"2"), (200, "GET", b"2")],
)
def test_an_answer_is_repeated_when_it_changed_something(status: int, method: str, expected: bytes) -> None:
    app = Repeats(Counting(status))
    assert [asyncio.run(asked(app, "one", method)) for _ in range(2)] == [b"1", expected]


def test_a_repetition_waits_for_the_answer_that_is_on_its_way() -> None:
    app = Repeats(Counting(200))

    async def thrice() -> list[bytes]:
        return await asyncio.gather(*(asked(app, "one") for _ in range(3)))

    assert asyncio.run(thrice()) == [b"1"] * 3


def test_only_the_newest_answers_are_remembered() -> None:
    app = Repeats(counting := Counting(200))

    async def many() -> None:
        for number in range(KEPT + 1):
            await asked(app, str(number))
        assert await asked(app, str(KEPT)) == str(KEPT + 1).encode()
        await asked(app, "0")

    asyncio.run(many())
    assert counting.requests == KEPT + 2
