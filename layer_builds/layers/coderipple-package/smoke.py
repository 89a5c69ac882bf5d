"""Real calls through the package on top of the layer before it: an agent's whole process, and the rules around it.

Runs with the standard library, the two layers and the runtime's boto3, with no network but a server of its own on the
loopback interface. What the package needs of the function's own code (settings, secrets, GitHub's client) is tried in
both layers by tests/lambdas/orchestrator/test_in_its_layers.py.
"""

# ruff: noqa: D102, N802, PLR2004, S101 - every call imports what it tries, and an assertion is its verdict

import io
import json
import os
from importlib.metadata import version

from layer_builds.smoke_calls.service import Service, serving

os.environ["OTEL_SDK_DISABLED"] = "true"


class Model(Service):
    """An OpenAI-compatible endpoint that has one thing to say, and then ends."""

    def do_POST(self) -> None:
        body = self.document()
        said = body["messages"][-1]["role"] == "tool"
        call = {"name": "nothing_to_do", "arguments": '{"reason": "smoke"}'}
        calls = [{"index": 0, "id": "call_1", "type": "function", "function": call}]
        delta, end = ({"content": "Done."}, "stop") if said else ({"tool_calls": calls}, "tool_calls")
        about = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        chunks = [
            {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": end}]},
            {"choices": [], "usage": usage},
        ]
        lines = [f"data: {json.dumps({**about, **chunk})}\n\n" for chunk in chunks]
        self.send(200, "text/event-stream", ("".join(lines) + "data: [DONE]\n\n").encode())


def rules() -> None:
    """A signature, a payload, a secret, a score: each by the module that decides it."""
    from coderipple.http_request import json_object
    from coderipple.quality import Judged, score
    from coderipple.rules import content_problems, grown_history
    from coderipple.signature import is_signed, signature
    from coderipple.webhook_parser import WebhookEvent

    body = b'{"ref": "refs/heads/main", "after": "a", "repository": {"full_name": "acme/kettle"}}'
    assert is_signed(body, signature(body, "right"), ["wrong", "right"])
    assert not is_signed(body, signature(body, "wrong"), ["right"])
    assert WebhookEvent(json_object(body.decode())).full_name == "acme/kettle"
    token = "ghp_" + "a1" * 18
    assert content_problems("README.md", f"# Kettle\n\n{token}\n", "", [])
    assert grown_history("# History\n", "## Entry") == "# History\n\n## Entry\n"
    judged = Judged(path="README.md", text="TODO", before=None, paths=(), changed=("src/kettle.py",))
    assert score(judged).points < 70


def agent(address: str) -> None:
    """The agents' process, with both ends of its wire here."""
    from coderipple.agents import process
    from coderipple.agents.prompts import system_prompt
    from coderipple.agents.wire import Wire

    model = {"provider": "openai", "id": "smoke", "timeout": 20, "key": "right", "url": address}
    task = {"agent": "historian", "system": system_prompt("historian"), "prompt": "Nothing changed.", "model": model}
    said = io.StringIO()
    process.work(Wire(io.StringIO(f"{json.dumps(task)}\n" + '{"ok": true, "value": "noted"}\n'), said))
    told = [json.loads(line) for line in said.getvalue().splitlines()]
    assert {"call": "nothing_to_do", "arguments": {"reason": "smoke"}} in told, told
    assert told[-1] == {"event": "done", "reason": "end_turn"}, told[-1]
    assert sum(one["input"] + one["output"] for one in told if one.get("event") == "usage") == 24


def smoke() -> dict[str, str]:
    """Make every call; return the versions that answered."""
    rules()
    with serving(Model) as address:
        agent(address)
    return {name: version(name) for name in ("coderipple", "strands-agents")}
