"""What a document loses points for, and how long reading a text takes, whatever is in it."""

from __future__ import annotations

import time

import pytest

from coderipple.proposals import MAX_DOCUMENT_BYTES
from coderipple.quality import Judged, score
from coderipple.rules import content_problems
from tests.lambdas.orchestrator.test_contents import GOOD
from tests.lambdas.orchestrator.test_paths import TREE
from tests.lambdas.orchestrator.test_secrets import KNOWN


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


PARTS = (
    *(
        "x",
        "x.",
        "a+",
        " ",
        "\n",
        " \n",
        "\t",
        "<",
        "< ",
        "<a ",
        "<a\n",
        "<a=",
        "<a b='",
        '<a b="',
        "<img ",
        "<img https://",
    ),
    *(
        "<!--",
        "<a b=//c?",
        "</",
        "![",
        "![](",
        "![](https://a?",
        "[",
        "]",
        "](",
        "[a](x",
        "[a](x#",
        "[a](x.md)\n",
        "[a",
    ),
    *(
        "[a]:",
        "[a]: b\n",
        "![a]",
        "![a][b]",
        "\\",
        "\\[",
        "*",
        "**a",
        "`",
        "` ",
        "``a`",
        "```\n",
        "```\na",
        "  ```a\n",
        "~~~ ",
    ),
    *("{", "{{", "{{env", "{%", "{!", "{!a", "```{", "```{a}", ":::{a", "{eval}`", "``` exec", "export ", "import "),
    *(
        ".. ",
        "..\t",
        ".. |",
        ".. |a| ",
        ".. a",
        ".. a:",
        ".. a.b",
        "| a",
        "| a :",
        "a::",
        "javascript:",
        "j\n",
        "java\t",
    ),
    *(
        "&",
        "&#",
        "&#0",
        "&#1",
        "&#x",
        "&a",
        "&amp",
        "%41",
        "%25",
        "\u200b",
        "\ufe0f",
        "\u200d",
        "\U0001f3f4",
        "\u0645\u200c",
    ),
    *(
        "eyJ",
        "eyJhbGciOiJI.",
        "eyJhbGciOiJI.eyJ",
        "sk-",
        "sk-a",
        "SG.a",
        "SG.",
        "Bearer ",
        "Bearer a",
        "a://",
        "a://b:",
    ),
    *(
        "a://b:c",
        "-----BEGIN A ",
        "A ",
        "token ",
        "token= ",
        "token:",
        "token is ",
        "password=a1",
        "ghp_",
        "AccountKey = ",
    ),
    *(
        "hooks.slack.com/services/",
        "| token | ",
        "#",
        "# ",
        "#\n",
        "===\n",
        "a\n===\n",
        "---",
        "TODO ",
        "insert ",
        "i can",
        "a\\\n",
    ),
)


@pytest.mark.parametrize(
    ("part", "kind"), [*((part, "mdx") for part in PARTS), *((part, "rst") for part in PARTS if part[0] in ".|a:")]
)
def test_no_text_takes_long_to_read(part: str, kind: str) -> None:
    """Forms without bounds took 39 s for 200,000 times one letter, and a link's 80 s for as many brackets."""
    path, text = f"docs/x.{kind}", _many(part, "# T\n", "x")
    started = time.process_time()
    content_problems(path, text, "", [KNOWN])
    score(Judged(path=path, text=text, before=_many(part), paths=TREE, changed=("src/kettle.py",)))
    assert time.process_time() - started < 2


def test_long_runs_are_read_quickly_from_wherever_they_are_reached() -> None:
    for text in (
        "#" + " " * 130_000,
        "<a x " * 300 + " " * 129_000,
        "# " * 1000 + "\n" * 128_000,
        "a\n===" + "\n" * 130_000,
    ):
        started = time.process_time()
        content_problems("docs/x.md", text, "", [KNOWN])
        score(Judged(path="docs/x.md", text=text, before=None, paths=TREE, changed=("x",)))
        assert time.process_time() - started < 5


def test_broken_links_in_a_large_repository_are_found_quickly() -> None:
    """Each link was compared with each path: 72 s."""
    paths = [f"src/{number % 100}/{number}.py" for number in range(50_000)]
    text = "# T\n\n" + "".join(f"[a](x{number}.md)\n" for number in range(8_000)) + "[b](/src/7)\n"
    started = time.process_time()
    judged = score(Judged(path="docs/x.md", text=text, before=text[:60_000], paths=paths, changed=("x",)))
    assert time.process_time() - started < 5
    assert any("lead nowhere" in reason for reason in judged.reasons)


def test_a_link_to_a_folder_leads_somewhere() -> None:
    text = f"{GOOD}\n[a](docs) [b](/src/) [c](./docs/guide.md#x)\n"
    judged = score(Judged(path="README.md", text=text, before=None, paths=TREE, changed=("src/kettle.py",)))
    assert judged.reasons == ()


def _many(part: str, start: str = "", end: str = "") -> str:
    """A third of the longest document: what is quadratic takes seconds, and what is linear a tenth of one."""
    return start + part * (MAX_DOCUMENT_BYTES // 3 // len(part.encode())) + end
