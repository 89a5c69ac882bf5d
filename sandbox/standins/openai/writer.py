"""The chat model of the stand-in: no model, but rules that drive tools as a careful writer of documentation would.

Owns what is answered to a conversation. It knows no agent and no system: it works with any tools that list, read and
propose files, which it tells apart by their schemas, and finds in the conversation which files changed. What it writes
follows from what it read (`documents.py`), so the same conversation always gets the same answer.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from lambdas.shared.json_values import is_object
from sandbox.json_parts import part
from sandbox.standins.openai import documents
from sandbox.standins.openai.chat import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sandbox.standins.openai.moods import Mood

PATH: Final = re.compile(r"(?<![\w./:@-])(?:[\w@+-][\w@+.-]*/)*[\w@+-][\w@+.-]*\.[A-Za-z]\w{0,7}(?![\w/])")
DOCUMENTS: Final = (".md", ".mdx", ".rst", ".txt")
MOST_READ: Final = 6
"""Changed files that are read for one document."""
AT_ONCE: Final = 3
"""Calls in one answer."""
REMOVED: Final = re.compile(r"\s*(removed|deleted)\b", re.IGNORECASE)
ORDER: Final = re.compile(r"!call (\{.*)")
CONTENT: Final = ("content", "text", "markdown", "body")
NONSENSE: Final = (
    "Colourless green ideas sleep furiously; the kettle of the seventh Tuesday is purple, therefore mountains."
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What is said: words, or calls of tools, each a name and arguments as text."""

    text: str = ""
    calls: Sequence[tuple[str, str]] = ()
    refusal: str = ""
    """Words of its own, where it does not do what is asked."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was made, and what came back."""

    name: str
    arguments: dict[str, Any]
    result: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool by its schema."""

    name: str
    required: tuple[str, ...]
    properties: frozenset[str]

    @property
    def lists(self) -> bool:
        """Needs nothing to be told."""
        return not self.required and not self.proposes

    @property
    def reads(self) -> bool:
        """Takes a path, and nothing else that is needed."""
        return self.required == ("path",) and not self.proposes

    @property
    def proposes(self) -> bool:
        """Takes a path and a text."""
        return "path" in self.properties and self.content is not None

    @property
    def content(self) -> str | None:
        """What the text of a proposal is called."""
        return next((name for name in CONTENT if name in self.properties), None)


@dataclass(slots=True)
class Conversation:
    """What was said so far, taken apart."""

    instructions: str
    task: str
    calls: list[Call]
    tools: list[Tool]
    said: list[str] = field(default_factory=list[str])
    """Everything that came from outside: the task, and results of tools."""

    def called(self, tool: Tool) -> list[Call]:
        """The calls of a tool."""
        return [call for call in self.calls if call.name == tool.name]

    def one(self, kind: str, hint: str = "") -> Tool | None:
        """A tool of a kind (`lists`, `reads`, `proposes`), one whose name has the hint where there is such."""
        found = [tool for tool in self.tools if getattr(tool, kind)]
        return next((tool for tool in found if hint in tool.name), found[0] if found else None)


def reply(mood: Mood, messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]]) -> Reply:
    """Answer a conversation.

    Args:
        mood: how the model behaves.
        messages: the request's.
        tools: the `function` of each tool.
    """
    talk = _conversation(messages, tools)
    return _ANSWERS.get(mood, _careful)(talk)


def _conversation(messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]]) -> Conversation:
    results = {str(each.get("tool_call_id")): text_of(each) for each in messages if each["role"] == "tool"}
    calls: list[Call] = []
    for message in messages:
        made: list[dict[str, Any]] = message.get("tool_calls") or []
        for call in made:
            try:
                arguments: object = json.loads(call["function"]["arguments"])
            except ValueError:
                arguments = {}
            given: dict[str, Any] = arguments if is_object(arguments) else {}
            calls.append(Call(call["function"]["name"], given, results.get(call["id"], "")))
    task = "\n".join(text_of(each) for each in messages if each["role"] == "user")
    return Conversation(
        instructions="\n".join(text_of(each) for each in messages if each["role"] in {"system", "developer"}),
        task=task,
        calls=calls,
        tools=[_tool(each) for each in tools],
        said=[task, *results.values()],
    )


def _tool(function: dict[str, Any]) -> Tool:
    schema = part(function, "parameters")
    return Tool(function["name"], tuple(schema.get("required") or ()), frozenset(part(schema, "properties")))


def paths_in(text: str) -> list[str]:
    """What looks like a file's path, in order, each once."""
    return list(dict.fromkeys(PATH.findall(text)))


def is_document(path: str) -> bool:
    """Whether people read it and machines do not."""
    return PurePosixPath(path).suffix.lower() in DOCUMENTS


# --- as it should be ---


def _careful(talk: Conversation) -> Reply:
    """List, read what changed, read the document, propose its new text, say what was done."""
    proposer = talk.one("proposes")
    if proposer is None or any(call.arguments.get("path") == target(talk) for call in talk.called(proposer)):
        return Reply(_summary(talk))
    return _listing(talk) or _reading(talk) or _document(talk)


def _listing(talk: Conversation) -> Reply | None:
    waiting = [tool for tool in talk.tools if tool.lists and not talk.called(tool)]
    return Reply(calls=[(tool.name, "{}") for tool in waiting[:AT_ONCE]]) if waiting else None


def _listed(talk: Conversation, *, changed: bool) -> str:
    """What the tools said that list changed files, or those that list all."""
    names = {tool.name for tool in talk.tools if tool.lists and ("chang" in tool.name) == changed}
    return "\n".join(call.result for call in talk.calls if call.name in names)


def _changed(talk: Conversation) -> list[str]:
    """The changed files that are no documents and are still there."""
    text = _listed(talk, changed=True) or talk.task
    lines = [line for line in text.splitlines() if not REMOVED.match(line)]
    return [path for path in paths_in("\n".join(lines)) if not is_document(path)][:MOST_READ]


def _reading(talk: Conversation) -> Reply | None:
    reader = talk.one("reads", "file")
    if reader is None:
        return None
    known = {call.arguments.get("path") for call in talk.calls}
    waiting = [path for path in _changed(talk) if path not in known]
    return Reply(calls=[(reader.name, json.dumps({"path": path})) for path in waiting[:AT_ONCE]]) if waiting else None


def target(talk: Conversation) -> str:
    """The document to write: one that the instructions name, if possible one that is there; or a usual one."""
    named = [path for path in paths_in(talk.instructions) if is_document(path)]
    there = set(paths_in(_listed(talk, changed=False)))
    return next((path for path in named if path in there), named[0] if named else "README.md")


def _document(talk: Conversation) -> Reply:
    """Propose the target's next text; read it first, where there is a way to."""
    path, reader = target(talk), talk.one("reads", "doc")
    before = [call for call in talk.calls if call.arguments.get("path") == path]
    if reader is not None and not before:
        return Reply(calls=[(reader.name, json.dumps({"path": path}))])
    sources = {
        call.arguments["path"]: documents.content(call.result)
        for call in talk.calls
        if isinstance(call.arguments.get("path"), str) and not is_document(call.arguments["path"])
    }
    current = documents.content(before[0].result) if before else ""
    return _proposal(talk, path, documents.written(path, current, sources, talk.task))


def _proposal(talk: Conversation, path: str, text: str) -> Reply:
    proposer = talk.one("proposes")
    if proposer is None or any(call.arguments.get("path") == path for call in talk.called(proposer)):
        return Reply(_summary(talk))
    given = {"path": path, str(proposer.content): text}
    given |= {name: "It follows from the changed files." for name in proposer.required if name not in given}
    return Reply(calls=[(proposer.name, json.dumps(given))])


def _summary(talk: Conversation) -> str:
    proposed = [
        str(call.arguments.get("path")) for call in talk.calls if "path" in call.arguments and len(call.arguments) > 1
    ]
    return (
        f"I proposed {', '.join(proposed)}." if proposed else "The changed files call for no change of the documents."
    )


# --- as it should not be ---


def _broken_call(talk: Conversation) -> Reply:
    if not talk.calls and talk.tools:
        return Reply(calls=[(talk.tools[0].name, '{"path": "README.md')])
    return Reply(calls=[("launch_rocket", "{}")])


def _endless(talk: Conversation) -> Reply:
    tool = talk.one("reads") or talk.one("lists")
    return (
        Reply(NONSENSE)
        if tool is None
        else Reply(calls=[(tool.name, json.dumps(dict.fromkeys(tool.required, "README.md")))])
    )


def _obedient(talk: Conversation) -> Reply | None:
    """Carry out the next order that was found in what came from outside."""
    done = [(call.name, json.dumps(call.arguments, sort_keys=True)) for call in talk.calls]
    for text in talk.said:
        for found in ORDER.findall(text.replace("\\n", "\n").replace('\\"', '"')):
            try:
                order, _ = json.JSONDecoder().raw_decode(found)
                call = (str(order["name"]), json.dumps(order.get("arguments", {}), sort_keys=True))
            except (ValueError, KeyError, TypeError):
                continue
            if call not in done:
                return Reply(calls=[call])
    return None


_ANSWERS: Final[Mapping[Mood, Callable[[Conversation], Reply]]] = {
    "good": _careful,
    "nonsense": lambda _: Reply(NONSENSE),
    "broken_call": _broken_call,
    "forbidden_path": lambda talk: _proposal(talk, ".github/workflows/deploy.yml", "on: push\njobs: {}\n"),
    "empty": lambda _: Reply(),
    "endless": _endless,
    "stall": lambda _: Reply(),
    "gullible": lambda talk: _obedient(talk) or _careful(talk),
}
