"""What reaches functions on the local cloud, and how: HTTP, objects that come and go, and other functions."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from sandbox.cloud import wait_until
from sandbox.forward import Forward, Fronts
from sandbox.rows import ROWS, Arguments, Cloud
from sandbox.standins.serving import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox.hosted import Hosted

pytestmark = pytest.mark.xdist_group("lambda-host")

COLD_SECONDS = 30.0
"""What a first request may take: a function starts, on a machine that does much else."""
ANY = "arn:aws:s3:::*"
PNG = bytes(range(256))
WEB = """
import base64, json
def handler(event, context):
    seen = {key: event.get(key) for key in ("rawPath", "rawQueryString", "cookies", "isBase64Encoded")}
    body = event.get("body") or ""
    data = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    if event["rawPath"] == "/picture":
        headers = {"content-type": "image/png"}
        return {"statusCode": 200, "headers": headers, "isBase64Encoded": True, "body": base64.b64encode(data).decode()}
    seen |= {"bytes": list(data), "method": event["requestContext"]["http"]["method"], "headers": event["headers"]}
    return {"statusCode": 201, "cookies": ["a=1; Path=/", "b=2"], "body": json.dumps(seen)}
"""
OBJECTS = """
def handler(event, context):
    for record in event.get("Records", []):
        print("object", record["eventName"], record["s3"]["object"]["key"])
"""
CALLER = """
import boto3, json
def handler(event, context):
    answer = boto3.client("lambda").invoke(FunctionName=event["function"], Payload=json.dumps({"n": 20}))
    return json.load(answer["Payload"])
"""


def arn(hosted: Hosted, name: str) -> str:
    return f"arn:aws:lambda:{hosted.account.region}:{hosted.account.account}:function:{name}:live"


def permit(hosted: Hosted, name: str, principal: str) -> None:
    hosted.account.client("lambda").add_permission(
        FunctionName=name,
        Qualifier="live",
        StatementId=principal.split(".", maxsplit=1)[0],
        Action="lambda:InvokeFunction",
        Principal=principal,
    )


# --- HTTP ---


@pytest.fixture(scope="module")
def web(hosted: Hosted) -> str:
    """A function that says what it was asked, behind a catch-all route of an API; its name."""
    return hosted.function(WEB)


@pytest.fixture(scope="module")
def fronts(hosted: Hosted) -> Iterator[Fronts]:
    made = Fronts(hosted.account.endpoint)
    yield made
    made.stop()


def make(hosted: Hosted, kind: str, **values: Any) -> dict[str, Any]:
    cloud = Cloud(hosted.account, "strata", "test")
    made = ROWS[kind](Arguments(kind, f"r{uuid.uuid4().hex[:6]}", values), cloud)()
    return {"id": made.id, **made.outputs}


@pytest.fixture(scope="module")
def api(hosted: Hosted, web: str, fronts: Fronts) -> str:
    """The address of an API's default stage, as `make up` prints it."""
    made = make(hosted, "aws:apigatewayv2/api:Api", protocolType="HTTP")
    uri = f"arn:aws:apigateway:{hosted.account.region}:lambda:path/2015-03-31/functions/{arn(hosted, web)}/invocations"
    values = {"apiId": made["id"], "integrationType": "AWS_PROXY", "payloadFormatVersion": "2.0"}
    integration = make(hosted, "aws:apigatewayv2/integration:Integration", integrationUri=uri, **values)
    for route in ("ANY /{proxy+}", "ANY /"):
        target = f"integrations/{integration['id']}"
        make(hosted, "aws:apigatewayv2/route:Route", apiId=made["id"], routeKey=route, target=target)
    make(hosted, "aws:apigatewayv2/stage:Stage", apiId=made["id"], name="$default", autoDeploy=True)
    permit(hosted, web, "apigateway.amazonaws.com")
    return fronts.moved(made["apiEndpoint"])


@pytest.fixture(scope="module")
def function_url(hosted: Hosted, web: str, fronts: Fronts) -> str:
    values = {"functionName": web, "qualifier": "live", "authorizationType": "NONE"}
    made = make(hosted, "aws:lambda/functionUrl:FunctionUrl", **values)
    everybody = {"function": web, "qualifier": "live", "principal": "*"}
    kind = "aws:lambda/permission:Permission"
    make(hosted, kind, action="lambda:InvokeFunctionUrl", functionUrlAuthType="NONE", **everybody)
    make(hosted, kind, action="lambda:InvokeFunction", invokedViaFunctionUrl=True, **everybody)
    return fronts.moved(made["functionUrl"]).rstrip("/")


@pytest.fixture(params=["api", "function_url"])
def url(request: pytest.FixtureRequest) -> str:
    """Either way to the same function."""
    found: str = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("path", ["/", "/health", "/docs", "/a/b%2Fc/%C3%A9", "/_ministack/health", "/_aws/x"])
def test_every_route_is_the_functions_own(url: str, path: str) -> None:
    answer = httpx.get(f"{url}{path}", timeout=COLD_SECONDS)
    assert answer.status_code == 201, answer.text
    assert answer.json()["rawPath"] in {path, httpx.URL(f"{url}{path}").path}
    assert answer.headers.get_list("set-cookie") == ["a=1; Path=/", "b=2"]


def test_method_query_cookies_and_host_arrive(url: str, request: pytest.FixtureRequest) -> None:
    headers = {"cookie": "session=x; other=y"}
    seen = httpx.patch(f"{url}/items?q=a%20b&q=c&empty=", headers=headers, timeout=COLD_SECONDS).json()
    assert (seen["method"], seen["rawQueryString"]) == ("PATCH", "q=a%20b&q=c&empty=")
    assert seen["cookies"] == ["session=x", "other=y"]
    assert "cookie" not in seen["headers"]
    if url == request.getfixturevalue("api"):
        assert seen["headers"]["host"] == httpx.URL(url).netloc.decode(), "so absolute links lead back here"


def test_bytes_arrive_and_come_back_as_they_are(url: str) -> None:
    headers = {"content-type": "application/octet-stream"}
    seen = httpx.post(f"{url}/upload", content=PNG, headers=headers, timeout=COLD_SECONDS).json()
    assert (bytes(seen["bytes"]), seen["isBase64Encoded"]) == (PNG, True)
    answer = httpx.post(f"{url}/picture", content=PNG, headers=headers, timeout=COLD_SECONDS)
    assert (answer.content, answer.headers["content-type"]) == (PNG, "image/png")


def test_text_arrives_as_text(url: str) -> None:
    seen = httpx.post(f"{url}/notes", json={"text": "grün"}, timeout=COLD_SECONDS).json()
    assert json.loads(bytes(seen["bytes"])) == {"text": "grün"}
    assert seen["isBase64Encoded"] is False


def test_addresses_are_moved_wherever_they_stand_and_each_to_one_place(
    hosted: Hosted, api: str, fronts: Fronts
) -> None:
    assert api.startswith("http://127.0.0.1:")
    assert not api.startswith(hosted.account.endpoint)
    one, two = (f"{hosted.account.endpoint}/_aws/{place}" for place in ("execute-api/a1/$default", "lambda-url/b2"))
    moved = fronts.moved({"x": [f"{one}/p", {"y": two}], "n": 1, "queue": f"{hosted.account.endpoint}/1/q"})
    first, second = moved["x"][0], moved["x"][1]["y"]
    assert first.endswith("/p")
    assert len({first.removesuffix("/p"), second}) == 2
    assert fronts.moved(one) == first.removesuffix("/p")
    assert (moved["n"], moved["queue"]) == (1, f"{hosted.account.endpoint}/1/q")


def test_a_target_that_is_down_is_a_closed_connection() -> None:
    with Server(Forward(lambda: None)) as server, pytest.raises(httpx.RemoteProtocolError):
        httpx.get(server.url)
    with Server(Forward(lambda: "http://127.0.0.1:9")) as server, pytest.raises(httpx.RemoteProtocolError):
        httpx.get(server.url)


# --- objects ---


@pytest.mark.parametrize("through", ["function", "topic"])
def test_objects_that_come_and_go_reach_a_function_directly_and_through_a_topic(hosted: Hosted, through: str) -> None:
    group = f"objects-{through}"
    role = hosted.role([{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}])
    code = (
        OBJECTS
        if through == "function"
        else OBJECTS.replace(
            'event.get("Records", [])',
            "[r for n in event['Records'] for r in __import__('json').loads(n['Sns']['Message']).get('Records', [])]",
        )
    )
    name = hosted.function(code, role=role, group=group)
    s3, bucket = hosted.account.client("s3"), f"bucket-{uuid.uuid4().hex[:8]}"
    where = {"LocationConstraint": hosted.account.region}
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
    only = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}]}}
    if through == "function":
        permit(hosted, name, "s3.amazonaws.com")
        entry = {"LambdaFunctionArn": arn(hosted, name), "Events": events, "Filter": only}
        configuration: dict[str, Any] = {"LambdaFunctionConfigurations": [entry]}
    else:
        sns = hosted.account.client("sns")
        topic = sns.create_topic(Name=f"topic-{bucket}")["TopicArn"]
        statement = {"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": topic}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
        permit(hosted, name, "sns.amazonaws.com")
        sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn(hosted, name))
        configuration = {"TopicConfigurations": [{"TopicArn": topic, "Events": events, "Filter": only}]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
    s3.put_object(Bucket=bucket, Key="in/größe und mehr.txt", Body=b"x")
    s3.put_object(Bucket=bucket, Key="out/other.txt", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="in/größe und mehr.txt")

    def told() -> set[str]:
        return {line.strip() for line in hosted.log(group) if line.startswith("object")}

    key = "in/gr%C3%B6%C3%9Fe+und+mehr.txt"
    expected = {f"object ObjectCreated:Put {key}", f"object ObjectRemoved:Delete {key}"}
    wait_until(lambda: len(told()) >= 2, "both events", 100)
    assert told() == expected


# --- another function ---


def test_a_function_may_invoke_the_one_that_its_role_names_and_no_other(hosted: Hosted) -> None:
    double = "def handler(event, context): return {'double': 2 * event['n']}"
    allowed, forbidden = hosted.function(double), hosted.function(double)
    one = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": arn(hosted, allowed)}
    caller = hosted.function(CALLER, role=hosted.role([one]), timeout=20)
    assert hosted.invoke(caller, {"function": arn(hosted, allowed)}).payload == {"double": 40}
    refused = hosted.invoke(caller, {"function": arn(hosted, forbidden)})
    assert refused.error == "Unhandled"
    assert "not authorized" in refused.payload["errorMessage"]
