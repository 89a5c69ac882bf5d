"""The model that an agent talks to: Bedrock, or an OpenAI-compatible endpoint; and what its failures are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from strands.event_loop._retry import ModelRetryStrategy
from strands.types.exceptions import (
    ContextWindowOverflowException,
    MaxTokensReachedException,
    ModelThrottledException,
)

if TYPE_CHECKING:
    from strands.models.model import Model

RETRIES: Final = 2
"""Of a model call, in the process. What fails then is tried again with the message."""
TRANSIENT: Final = frozenset(
    {
        "APIConnectionError",
        "ConnectTimeoutError",
        "ConnectionClosedError",
        "EndpointConnectionError",
        "InternalServerError",
        "ServiceUnavailableException",
    }
)
FAILURES: Final = {
    "APITimeoutError": "model_timeout",
    "ReadTimeoutError": "model_timeout",
    "AuthenticationError": "model_refused",
    "PermissionDeniedError": "model_refused",
    "AccessDeniedException": "model_refused",
    "UnrecognizedClientException": "model_refused",
    "ExpiredTokenException": "model_refused",
    "BadRequestError": "model_rejected",
    "NotFoundError": "model_rejected",
    "UnprocessableEntityError": "model_rejected",
    "ValidationException": "model_rejected",
    "ResourceNotFoundException": "model_rejected",
    ModelThrottledException.__name__: "model_throttled",
    ContextWindowOverflowException.__name__: "context_overflow",
    MaxTokensReachedException.__name__: "cut_off",
    **dict.fromkeys(TRANSIENT, "model_unreachable"),
}
"""Exception, or error code of AWS's, to what it is called in results."""


class Retries(ModelRetryStrategy):
    """A few quick retries: strands' own default waits for minutes."""

    def __init__(self) -> None:
        super().__init__(max_attempts=RETRIES + 1, initial_delay=1, max_delay=8)

    def is_retryable(self, exception: Exception) -> bool:
        """Whether the same call may succeed in a moment."""
        return isinstance(exception, ModelThrottledException) or name_of(exception) in TRANSIENT


def name_of(error: BaseException) -> str:
    """An exception's class, or the code in an error of AWS's."""
    response = getattr(error, "response", None)
    code = cast("dict[str, Any]", response).get("Error", {}).get("Code") if isinstance(response, dict) else None
    return str(code or type(error).__name__)


def failure_of(error: BaseException) -> str:
    """What a failed model call is called in results."""
    original = getattr(error, "original_exception", None) or error
    return FAILURES.get(name_of(original), "model_error")


def make_model(model: dict[str, Any]) -> Model:
    """Return the model, from what the function sent.

    Args:
        model: provider, id, timeout in seconds; key and address, or AWS credentials and region.
    """
    if model["provider"] == "openai":
        from strands.models.openai import OpenAIModel  # of the other provider nothing is loaded

        arguments = {
            "api_key": model["key"],
            "base_url": model["url"],
            "max_retries": 0,
            "timeout": model["timeout"],
        }
        return OpenAIModel(client_args=arguments, model_id=model["id"])
    import boto3
    from botocore.config import Config
    from strands.models.bedrock import BedrockModel

    session = boto3.Session(*model["credentials"], region_name=model["region"])
    config = Config(connect_timeout=5, read_timeout=model["timeout"], retries={"total_max_attempts": 1})
    return BedrockModel(
        boto_session=session, boto_client_config=config, endpoint_url=model["url"], model_id=model["id"]
    )


def endpoint_of(model: dict[str, Any]) -> tuple[str, int]:
    """The one host and port that have to be connected to."""
    url = urlsplit(model["url"] or f"https://bedrock-runtime.{model['region']}.amazonaws.com")
    return url.hostname or "", url.port or (80 if url.scheme == "http" else 443)
