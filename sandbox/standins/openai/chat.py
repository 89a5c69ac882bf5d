"""Chat completions, checked as OpenAI does it. How they are answered is in `completion.py`, with what in `writer.py`.

Owns what a request may be, and what it counts (an estimate: four bytes a token). Not implemented, and refused in words:
images and audio, several choices, log probabilities, a tool that must be called.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from lambdas.shared.json_values import is_list, is_object
from sandbox.json_parts import part
from sandbox.standins.openai.forms import parse_form
from sandbox.standins.openai.problems import OpenAIError, json_object

if TYPE_CHECKING:
    from collections.abc import Mapping

MODELS: Final = {"gpt-4o-mini": 128_000, "gpt-4.1-mini": 1_047_576, "gpt-5-mini": 400_000}
"""Name to the tokens of its context window."""
ROLES: Final = ("developer", "system", "user", "assistant", "tool")
KNOWN: Final = frozenset(
    {
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "model",
        "parallel_tool_calls",
        "response_format",
        "seed",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_p",
        "user",
    }
)
NOT_HERE: Final = frozenset({"audio", "logprobs", "modalities", "n", "stop", "top_logprobs"})
TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
BYTES_PER_TOKEN: Final = 4
MESSAGE_TOKENS: Final = 3
"""That each message costs beside its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A request that passed every check."""

    model: str
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    """The `function` of each: name, description, parameters."""
    form: dict[str, Any] | None
    """The schema that the answer has to fit; None is plain text."""
    stream: bool
    usage: bool
    """Whether the stream ends with a chunk that says what was used."""
    most_tokens: int | None
    prompt_tokens: int


def parse_chat(body: bytes) -> ChatRequest:
    """Check a request as the API does.

    Raises:
        OpenAIError: 400 or 404, with the API's message.
    """
    request = _object(body)
    model = _model(request.get("model"))
    messages = _messages(request.get("messages"))
    tools = _tools(request.get("tools"))
    form = parse_form(request.get("response_format"))
    counted = (json.dumps(tools) if tools else "") + (json.dumps(form) if form else "")
    tokens = tokens_of(counted) + sum(
        MESSAGE_TOKENS + tokens_of(text_of(message) + json.dumps(message.get("tool_calls") or ""))
        for message in messages
    )
    if tokens > MODELS[model]:
        message = (
            f"This model's maximum context length is {MODELS[model]} tokens. However, your messages resulted in "
            f"{tokens} tokens. Please reduce the length of the messages."
        )
        raise OpenAIError(400, message, param="messages", code="context_length_exceeded")
    return ChatRequest(
        model=model,
        messages=messages,
        tools=[] if request.get("tool_choice") == "none" else tools,
        form=form,
        stream=request.get("stream") is True,
        usage=bool(part(request, "stream_options").get("include_usage")),
        most_tokens=request.get("max_completion_tokens") or request.get("max_tokens"),
        prompt_tokens=tokens,
    )


def _object(body: bytes) -> dict[str, Any]:
    found = json_object(body)
    if unknown := sorted(set(found) - KNOWN - NOT_HERE):
        raise OpenAIError(400, f"Unrecognized request argument supplied: {unknown[0]}")
    if lacking := sorted(name for name in NOT_HERE & set(found) if (name, found[name]) != ("n", 1)):
        raise OpenAIError(400, f"the OpenAI stand-in does not implement {lacking[0]}", param=lacking[0])
    if found.get("tool_choice", "auto") not in {"auto", "none"}:
        raise OpenAIError(400, "the OpenAI stand-in implements tool_choice auto and none only", param="tool_choice")
    return found


def _model(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise OpenAIError(400, "you must provide a model parameter")
    if name.startswith("text-embedding-"):
        message = "This is not a chat model and thus not supported in the v1/chat/completions endpoint."
        raise OpenAIError(404, message, param="model")
    if name not in MODELS:
        message = f"The model `{name}` does not exist or you do not have access to it."
        raise OpenAIError(404, message, code="model_not_found")
    return name


def tokens_of(text: str) -> int:
    """How many tokens a text counts as: an estimate, since no vocabulary of a chat model is here."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


def text_of(message: Mapping[str, Any]) -> str:
    """The words of a message."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in cast("list[Any]", content))
    return content if isinstance(content, str) else ""


def _messages(found: Any) -> list[dict[str, Any]]:
    if not isinstance(found, list) or not found:
        raise OpenAIError(
            400, "Invalid 'messages': empty array. Expected an array with minimum length 1.", param="messages"
        )
    waiting: set[str] = set()
    for position, message in enumerate(cast("list[Any]", found)):
        _check_message(position, message)
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waiting:
                wrong = "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
                raise _wrong_message(position, wrong, "role")
            waiting.discard(message["tool_call_id"])
            continue
        _check_answered(waiting)
        calls: list[dict[str, Any]] = message.get("tool_calls") or []
        waiting = {call["id"] for call in calls}
    _check_answered(waiting)
    return cast("list[dict[str, Any]]", found)


def _check_answered(waiting: set[str]) -> None:
    if waiting:
        message = (
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(sorted(waiting))}"
        )
        raise OpenAIError(400, message, param="messages")


def _wrong_message(position: int, message: str, part: str) -> OpenAIError:
    return OpenAIError(400, f"Invalid parameter: {message}", param=f"messages.[{position}].{part}")


def _check_message(position: int, message: Any) -> None:
    if not is_object(message) or message.get("role") not in ROLES:
        raise OpenAIError(
            400,
            f"Invalid value for 'messages[{position}].role'. Supported values are: {', '.join(ROLES)}.",
            param=f"messages[{position}].role",
            code="invalid_value",
        )
    content = message.get("content")
    if content is None and not (message["role"] == "assistant" and message.get("tool_calls")):
        raise OpenAIError(
            400, "Invalid value for 'content': expected a string, got null.", param=f"messages.[{position}].content"
        )
    if is_list(content):
        if any(each.get("type") != "text" for each in content):
            raise _wrong_message(position, "the OpenAI stand-in implements content of type text only", "content")
    elif not isinstance(content, str | None):
        raise _wrong_message(position, "content must be a string or an array of content parts", "content")
    calls: list[dict[str, Any]] = message.get("tool_calls") or []
    for call in calls:
        function = part(call, "function")
        if call.get("type") != "function" or not call.get("id") or not isinstance(function.get("arguments"), str):
            raise _wrong_message(position, "tool_calls need an id, a type and a function with arguments", "tool_calls")


def _tools(found: Any) -> list[dict[str, Any]]:
    tools: list[dict[str, Any]] = []
    for position, tool in enumerate(cast("list[Any]", found or [])):
        function = tool.get("function") if is_object(tool) and tool.get("type") == "function" else None
        if not is_object(function) or not TOOL_NAME.fullmatch(str(function.get("name", ""))):
            message = f"Invalid 'tools[{position}].function.name': expected a string that matches '^[a-zA-Z0-9_-]+$'."
            raise OpenAIError(400, message, param=f"tools[{position}].function.name", code="invalid_value")
        tools.append(function)
    return tools
