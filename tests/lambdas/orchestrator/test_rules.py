"""What may be written, each rule by itself: paths, contents, secrets, scores, which agents run."""

from __future__ import annotations

import base64
import socket
import subprocess
import sys
import time
from typing import Any, cast

import pytest

from coderipple import agent_runner
from coderipple.agent_runner import AgentFailedError, TokenBudget, clean_environment, run_agent
from coderipple.changes import AUTHOR, TRAILER, Change, ChangeSet
from coderipple.desk import Desk
from coderipple.documents import path_problem
from coderipple.proposals import MAX_DOCUMENT_BYTES
from coderipple.publisher import Verdict, commit_message
from coderipple.quality import Judged, score
from coderipple.repository import Commit
from coderipple.routing import choose_agents
from coderipple.rules import content_problems, grown_history
from coderipple.secret_scan import find_secrets
from lambdas.orchestrator.contract import AGENTS, DEFAULT_DOC_PATHS
from lambdas.shared.deadline import Deadline

GOOD = (
    "# Kettle\n\nBoils water on a stove. `src/kettle.py` has the function that heats it, and the one that lets it cool "
    "again; both take litres. See [the guide](docs/guide.md).\n"
)
TREE = ("README.md", "docs/guide.md", "src/kettle.py", "documentation")


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "README.de.rst",
        "CHANGELOG.md",
        "docs/a/b.mdx",
        "doc/x.txt",
        "coderipple/state.md",
        "docs/überblick.md",
    ],
)
def test_documents_may_be_written(path: str) -> None:
    assert path_problem(path, DEFAULT_DOC_PATHS, TREE) is None


@pytest.mark.parametrize(
    "path",
    [
        "",
        "src/README.md",
        "README",
        "readme.md",
        "Docs/guide.md",
        "docs/guide.MD.py",
        "docs/a.html",
        "docs/../src/x.md",
        "docs//x.md",
        "docs/./x.md",
        "/docs/x.md",
        "docs/x.md/",
        "docs\\x.md",
        "docs/.git/x.md",
        "docs/x\u202e.md",
        "docs/x\n.md",
        "docs/x y.md",
        "docs/#1.md",
        "docs/a\u0301.md",
        "docs/requirements.txt",
        "docs/requirements-dev.txt",
        "docs/CMakeLists.txt",
        "docs/llms.txt",
        "docs/adr/0001-x.md",
        "docs/GUIDE.md",
        "docs/guide.md/x.md",
        "documentation/x.md",
        "x" * 300 + ".md",
        ".github/workflows/x.md",
        "README.md/x.md",
    ],
)
def test_other_paths_may_not(path: str) -> None:
    assert path_problem(path, DEFAULT_DOC_PATHS, TREE) is not None


def test_a_list_of_ones_own_replaces_the_paths_and_not_the_suffixes() -> None:
    assert path_problem("guides/x.md", ("guides/",), ()) is None
    assert path_problem("README.md", ("guides/",), ()) is not None
    assert path_problem("guides/x.py", ("guides/", "*"), ()) is not None
    assert path_problem("setup.py", ("*",), ()) is not None


KNOWN = "the-token-of-this-function-0123456789"


@pytest.mark.parametrize(
    "text",
    [
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "a1B2_" * 9,
        "AKIA" + "A2B3C4D5E6F7G2H3",
        "-----BEGIN RSA PRIVATE KEY-----",
        "sk-proj-" + "a1B2" * 9,
        "xoxb-1234567890-abcdefghij",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
        "postgres://root:hunter2@db.internal/prod",
        "password = 'zK8#vQ2!mN5xR7'",
        KNOWN,
        KNOWN[::-1],
        KNOWN.encode().hex(),
        base64.b64encode(f"xx{KNOWN}yy".encode()).decode(),
        base64.b64encode(f"x{KNOWN}".encode()).decode(),
        " ".join(KNOWN),
        "\u200b".join(KNOWN),
        KNOWN.replace("-", "%2d"),
    ],
)
def test_secrets_are_found_in_what_they_are_hidden_in(text: str) -> None:
    found = find_secrets(f"# Title\n\nSee {text} for more.\n", [KNOWN])
    assert found
    assert text not in " ".join(found)


def test_what_is_no_secret_is_none() -> None:
    assert find_secrets(GOOD, [KNOWN]) == []
    assert find_secrets("Set `API_KEY=<your key>` and `password: changeme-please`.\n", [KNOWN]) == []
    example = "AKIA" + "IOSFODNN7EXAMPLE".replace("8", "7")
    assert find_secrets(f"{GOOD}{example}", [], f"Use {example}.") == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("README.md", "<script>alert(1)</script>"),
        ("README.md", "[x](javascript:alert(1))"),
        ("README.md", "<img src=x onerror=alert(1)>"),
        ("README.md", "<iframe src=//x>"),
        ("README.md", "![x](https://x.example/p.png?d=1)"),
        ("docs/x.rst", ".. include:: /etc/passwd"),
        ("docs/x.rst", "   .. raw:: html"),
        ("docs/x.mdx", "import x from 'y'"),
        ("docs/x.mdx", "{process.env.X}"),
        ("docs/x.md", "{% include secrets %}"),
        ("docs/x.md", "turned \u202e around"),
        ("docs/x.md", "null \x00 byte"),
        ("docs/x.md", "half \ud800 pair"),
        ("docs/x.md", "x" * 200_000),
        ("docs/x.md", "   \n"),
    ],
)
def test_contents_that_run_hide_or_are_too_large_are_refused(path: str, text: str) -> None:
    assert content_problems(path, text, "", []) != []
    assert content_problems(path, GOOD, "", []) == []


@pytest.mark.parametrize("path", ["docs/x.md", "docs/x.mdx"])
@pytest.mark.parametrize(
    "part",
    [
        *("x", "x.", "a+", " ", "\n", " \n", "<", "< ", "<a ", "<img ", "<img https://", "![", "![]("),
        *(
            "![](https://a?",
            "{",
            "{{",
            "{{env",
            "{%",
            "eyJ",
            "eyJhbGciOiJI.",
            "eyJhbGciOiJI.eyJ",
            "sk-",
            "a://",
            "a://b:",
            "a://b:c",
        ),
        *(
            "-----BEGIN A ",
            "A ",
            "token ",
            "token= ",
            "token:",
            "password=a1",
            ".. ",
            "..\t",
            "import ",
            "ghp_",
            "%41",
            "\u200b",
        ),
    ],
)
def test_no_text_takes_long_to_read(path: str, part: str) -> None:
    """Forms without bounds took 39 s for 200,000 times one letter."""
    text = (part * MAX_DOCUMENT_BYTES)[: MAX_DOCUMENT_BYTES // len(part.encode()) * len(part)]
    started = time.process_time()
    content_problems(path, text, "", [KNOWN])
    assert time.process_time() - started < 5


def test_a_history_only_grows() -> None:
    before = "# History\n\n## One\n\nFirst.\n"
    assert grown_history(before, "\n## Two\n\nSecond.\n\n") == f"{before}\n## Two\n\nSecond.\n"
    assert grown_history(None, "## One").startswith("# History\n\n## One")


@pytest.mark.parametrize(
    ("text", "before", "reason"),
    [
        ("# Kettle\n\nShort.\n", None, "words"),
        (GOOD + "\n```\nunclosed\n", None, "code block"),
        (GOOD + "\nTODO: the rest.\n", None, "placeholder"),
        (GOOD + "\nAs an AI, I cannot know more.\n", None, "reader of the conversation"),
        (GOOD, GOOD, "already"),
        (GOOD, "# Kettle\n" + "\n".join(f"Line {n} of the document." for n in range(60)), "lines"),
        (GOOD + "[a](x.md) [b](y.md) [c](../z.md)\n", None, "lead nowhere"),
        (GOOD + "This line is long enough to be noticed when it stands there again.\n" * 5, None, "more than once"),
    ],
)
def test_a_bad_document_loses_points_and_says_for_what(text: str, before: str | None, reason: str) -> None:
    judged = score(Judged(path="README.md", text=text, before=before, paths=TREE, changed=("src/kettle.py",)))
    assert judged.points < 70
    assert any(reason in one for one in judged.reasons), judged


def test_a_good_document_keeps_its_points() -> None:
    judged = score(Judged(path="README.md", text=GOOD, before=None, paths=TREE, changed=("src/kettle.py",)))
    assert (judged.points, judged.reasons) == (100, ())


def changes(*listed: tuple[str, str], complete: bool = True, own: bool = False) -> ChangeSet:
    message = f"docs: update\n\n{TRAILER}: {'a' * 40}\n" if own else "feat: x"
    commit = Commit("b" * 40, AUTHOR["email"] if own else "ada@example.com", message)
    return ChangeSet("c" * 40, tuple(Change(path, status) for status, path in listed), complete, (commit,))


@pytest.mark.parametrize(
    ("found", "agents"),
    [
        (changes(("modified", "src/kettle.py")), ["tourist_guide", "building_inspector"]),
        (changes(("modified", "tests/test_kettle.py")), ["building_inspector"]),
        (changes(("modified", ".github/workflows/x.yml")), ["building_inspector"]),
        (changes(("modified", "pyproject.toml")), ["tourist_guide", "building_inspector", "historian"]),
        (changes(("removed", "src/old.py")), ["tourist_guide", "building_inspector", "historian"]),
        (changes(("added", "docs/adr/0002-steel.md")), ["historian"]),
        (changes(("modified", "README.md"), ("added", "docs/x.rst")), []),
        (changes(("modified", "docs/history.md"), own=True), []),
        (changes(("modified", "docs/adr/0001.md"), own=True), []),
        (changes(("modified", "src/kettle.py"), own=True), ["tourist_guide", "building_inspector"]),
        (changes(("modified", "README.md"), complete=False), ["building_inspector"]),
        (changes(), []),
    ],
)
def test_paths_decide_which_agents_run(found: ChangeSet, agents: list[str]) -> None:
    chosen = choose_agents(found, AGENTS, DEFAULT_DOC_PATHS)
    assert [one.agent for one in chosen] == agents
    assert all(one.why for one in chosen)
    assert choose_agents(found, (), DEFAULT_DOC_PATHS) == []


def test_a_commit_names_its_source_and_quotes_nobody() -> None:
    verdicts = [Verdict(path=f"docs/{n}.md", agent="historian", status="committed", score=90) for n in range(10, 30)]
    message = commit_message("d" * 40, verdicts)
    assert message.splitlines()[0] == "docs: update 20 documents"
    assert message.endswith(f"\n\n{TRAILER}: {'d' * 40}\n")
    assert "docs: update 10.md" in commit_message("d" * 40, verdicts[:1])


CONFINED = """
import socket, subprocess, sys, urllib.request
from coderipple.agents.confinement import confine
confine("127.0.0.1", int(sys.argv[1]))
socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5).close()
def refused(work):
    try:
        work()
    except PermissionError:
        return True
    except OSError as error:
        return "not the model's host" in str(error) or "another host" in str(error)
    return False
import os
tries = [
    lambda: socket.create_connection(("127.0.0.1", int(sys.argv[2])), 5),
    lambda: socket.create_connection(("127.0.0.2", int(sys.argv[1])), 5),
    lambda: socket.getaddrinfo("example.com", 443),
    lambda: urllib.request.urlopen("http://169.254.169.254/latest/meta-data/", timeout=5),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", int(sys.argv[2]))),
    lambda: subprocess.run(["id"]),
    lambda: os.system("id"),
    lambda: os.fork(),
]
print([refused(work) for work in tries])
"""


def test_the_agents_process_reaches_its_model_and_nothing_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as model, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [str(one.getsockname()[1]) for one in (model, other)]
        done = subprocess.run(
            [sys.executable, "-c", CONFINED, *ports],
            env={"PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stdout.strip() == str([True] * 8), done.stderr


def test_the_agents_process_is_given_nothing_to_take(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_SESSION_TOKEN": "c",
        "AWS_LAMBDA_RUNTIME_API": "d",
        "GITHUB_TOKEN": "e",
        "GITHUB_TOKEN_SECRET_ARN": "f",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert not clean_environment().keys() & given.keys()


@pytest.mark.parametrize("sent", ["", "no JSON", "5", "null", "[" * 100_000, '{"call": 5}', '{"event": "done"}', "{}"])
def test_an_agents_process_that_sends_what_is_no_message_has_crashed(
    monkeypatch: pytest.MonkeyPatch, sent: str
) -> None:
    monkeypatch.setattr(agent_runner, "MODULE", "tests.lambdas.orchestrator.broken_agent")
    desk = Desk("historian", cast("Any", None), cast("Any", None), "", DEFAULT_DOC_PATHS)
    with pytest.raises(AgentFailedError, match=r"historian: crashed \(it sent"):
        run_agent(desk, {"timeout": 60}, sent, TokenBudget(1000), Deadline.after(60))
