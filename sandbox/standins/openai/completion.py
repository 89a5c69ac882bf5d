"""The answer to a chat request: counted, cut where the request says so, whole or as a stream of events."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import anyio

from sandbox.standins.openai.chat import BYTES_PER_TOKEN, tokens_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sandbox.standins.openai.chat import ChatRequest
    from sandbox.standins.openai.writer import Reply

CHUNK: Final = 40
"""Characters of a piece of a stream."""


@dataclass(slots=True)
class Completion:
    """An answer, counted and cut to the tokens that the request allows."""

    request: ChatRequest
    text: str
    calls: list[dict[str, Any]]
    finish: str
    tokens: int
    refusal: str = ""
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex[:29]}")
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def usage(self) -> dict[str, Any]:
        """What it cost."""
        used = {"prompt_tokens": self.request.prompt_tokens, "completion_tokens": self.tokens}
        return {
            **used,
            "total_tokens": sum(used.values()),
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }

    def head(self, kind: str) -> dict[str, Any]:
        """What a whole answer and each chunk have in common."""
        return {"id": self.id, "object": kind, "created": self.created, "model": self.request.model}

    def to_json(self) -> dict[str, Any]:
        """The answer in one piece."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None, "refusal": self.refusal or None}
        if self.calls:
            message["tool_calls"] = self.calls
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish}
        return {**self.head("chat.completion"), "choices": [choice], "usage": self.usage}

    async def events(self, stall_seconds: float = 0.0) -> AsyncIterator[bytes]:
        """Yield the answer as server-sent events; with a stall, begin and say nothing more for so long."""
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        if stall_seconds:
            yield self._event([self._choice(deltas[0])])
            await anyio.sleep(stall_seconds)
            return
        deltas += [{"content": part} for part in _pieces(self.text)]
        for number, call in enumerate(self.calls):
            function: dict[str, str] = call["function"]
            deltas.append({"tool_calls": [{"index": number, **call, "function": {**function, "arguments": ""}}]})
            deltas += [
                {"tool_calls": [{"index": number, "function": {"arguments": part}}]}
                for part in _pieces(function["arguments"])
            ]
        for delta in deltas:
            yield self._event([self._choice(delta)])
        yield self._event([self._choice({}, self.finish)])
        if self.request.usage:
            yield self._event([], self.usage)
        yield b"data: [DONE]\n\n"

    def _event(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
        chunk = self.head("chat.completion.chunk") | {"choices": choices}
        if self.request.usage:
            chunk["usage"] = usage
        return f"data: {json.dumps(chunk)}\n\n".encode()

    @staticmethod
    def _choice(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def _pieces(text: str) -> list[str]:
    return [text[start : start + CHUNK] for start in range(0, len(text), CHUNK)]


def complete(request: ChatRequest, reply: Reply) -> Completion:
    """Count a reply, and cut it off where the request's limit is."""
    calls: list[dict[str, Any]] = [
        {"id": f"call_{uuid.uuid4().hex[:24]}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for name, arguments in reply.calls
    ]
    tokens = tokens_of(reply.text) + sum(tokens_of(name + arguments) for name, arguments in reply.calls)
    most = request.most_tokens
    if most is not None and tokens > most:
        return Completion(request, reply.text[: most * BYTES_PER_TOKEN], [], "length", most)
    return Completion(request, reply.text, calls, "tool_calls" if calls else "stop", tokens, reply.refusal)
