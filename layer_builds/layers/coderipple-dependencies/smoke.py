"""Real calls through what this layer promises: an agent that calls a tool, both model providers, a signed JWT.

Runs with the standard library, this layer and the runtime's boto3, on the target's CPU, with no network but a server
of its own on the loopback interface. The modules that it imports are those shipped with bytecode, so it goes the way
the function and the agents' process go.
"""

# ruff: noqa: D102, N802, PLR2004, S101 - every call imports what it tries, and an assertion is its verdict

import json
import os
from importlib.metadata import version
from typing import Any

from layer_builds.smoke_calls.service import Service, serving

os.environ["OTEL_SDK_DISABLED"] = "true"


class Model(Service):
    """Just enough of an OpenAI-compatible endpoint: one tool call, then a text; and a refusal."""

    def do_POST(self) -> None:
        body = self.document()
        if self.headers["authorization"] != "Bearer right":
            self.answer(401, {"error": {"message": "wrong key", "code": "invalid_api_key"}})
            return
        if body["messages"][-1]["role"] == "tool":
            deltas: list[dict[str, Any]] = [{"content": str(body["messages"][-1]["content"])}]
            end = "stop"
        else:
            call = {"name": "add", "arguments": '{"a": 2, "b": 3}'}
            deltas = [{"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": call}]}]
            end = "tool_calls"
        chunks: list[dict[str, Any]] = [
            {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
        ]
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": end}]})
        usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        chunks.append({"choices": [], "usage": usage})
        about = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        lines = [f"data: {json.dumps({**about, **chunk})}\n\n" for chunk in chunks]
        self.send(200, "text/event-stream", ("".join(lines) + "data: [DONE]\n\n").encode())


def agent(address: str) -> None:
    """An agent calls its tool, is told the result, and counts the tokens; a wrong key is an error of its own."""
    import openai
    from strands import Agent, tool
    from strands.event_loop._retry import ModelRetryStrategy
    from strands.models.openai import OpenAIModel
    from strands.tools.executors import SequentialToolExecutor

    called: list[int] = []

    @tool
    def add(a: int, b: int) -> str:
        """Add two numbers.

        Args:
            a: the first.
            b: the second.
        """
        called.append(a + b)
        return str(a + b)

    def ask(key: str) -> Any:
        model = OpenAIModel(client_args={"api_key": key, "base_url": address, "max_retries": 0}, model_id="smoke")
        executor, retries = SequentialToolExecutor(), ModelRetryStrategy(max_attempts=1)
        made = Agent(model, tools=[add], callback_handler=None, tool_executor=executor, retry_strategy=retries)
        return made("2 + 3?")

    result = ask("right")
    assert called == [5], called
    assert "5" in str(result), str(result)
    assert result.metrics.accumulated_usage["totalTokens"] == 24
    try:
        ask("wrong")
    except openai.AuthenticationError as error:
        assert error.status_code == 401  # noqa: PT017
    else:
        raise AssertionError("a wrong key was accepted")


def bedrock() -> None:
    """The default provider is made with a session of its own."""
    import boto3
    from strands.models.bedrock import BedrockModel

    session = boto3.Session("key", "secret", "token", region_name="eu-central-1")
    model = BedrockModel(boto_session=session, model_id="eu.example.model-v1:0", streaming=True)
    assert model.config["model_id"] == "eu.example.model-v1:0"


def signed() -> None:
    """An app's JWT, by the layer's own cryptography."""
    import jwt
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    token = jwt.encode({"iss": "1"}, key, algorithm="RS256")
    assert jwt.decode(token, key.public_key(), algorithms=["RS256"]) == {"iss": "1"}


def function(address: str) -> None:
    """What the function itself uses: GitHub's client, settings, logs, metrics, idempotency."""
    import httpx
    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.metrics import MetricUnit
    from aws_lambda_powertools.utilities import parameters
    from aws_lambda_powertools.utilities.idempotency import (
        DynamoDBPersistenceLayer,
        IdempotencyConfig,
        idempotent_function,
    )
    from pydantic import BaseModel, Field

    class Settings(BaseModel):
        score: int = Field(alias="SCORE", ge=0, le=100)

    assert Settings.model_validate({"SCORE": "70"}).score == 70
    with httpx.Client(base_url=address, trust_env=False) as client:
        assert client.post("/", json={}).status_code == 401
    assert parameters.SecretsProvider().client is not None
    assert parameters.SSMProvider().client is not None
    store = DynamoDBPersistenceLayer(table_name="smoke", key_attr="id")
    settings = IdempotencyConfig(event_key_jmespath="delivery")
    done = idempotent_function(
        lambda message: message, data_keyword_argument="message", config=settings, persistence_store=store
    )
    assert callable(done)
    metrics = Metrics(namespace="Strata", service="smoke")
    metrics.add_metric(name="RunsDone", unit=MetricUnit.Count, value=1)
    assert "RunsDone" in metrics.serialize_metric_set()
    Logger(service="smoke").info("run done", agents=1)


def smoke() -> dict[str, str]:
    """Make every call; return the versions that answered."""
    with serving(Model) as address:
        agent(address)
        bedrock()
        signed()
        function(address)
    names = ("strands-agents", "openai", "httpx", "pyjwt", "cryptography", "aws-lambda-powertools", "pydantic")
    return {name: version(name) for name in names}
