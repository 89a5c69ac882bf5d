"""Documents as they are written down: line ends, marks, fences, pointers, halves of characters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coderipple.changes import ChangeSet
from coderipple.desk import Desk, DeskError
from coderipple.proposals import AgentResult, Proposal
from coderipple.publisher import Publisher, Target
from coderipple.repository import MAX_TEXT_BYTES, Entry, Tree
from coderipple.texts import as_it_was, plain, unfenced
from lambdas.orchestrator import contract
from tests.lambdas.orchestrator.conftest import CHANGE, FILES, World, results

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCUMENT, HISTORY = "docs/architecture.md", "docs/history.md"
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12345\n"
TEXT = (
    "# Architecture\n\nOne module that boils water, and a whistle that tells of it. The module is src/kettle.py, and "
    "it has one function for each thing that a kettle can do.\n"
)


class Held:
    """A repository of texts, as far as a desk and a publisher ask it."""

    def __init__(self, files: Mapping[str, str], sizes: Mapping[str, int] | None = None) -> None:
        self._files = {str(number): text for number, text in enumerate(files.values())}
        entries = {
            path: Entry(str(number), "100644", (sizes or {}).get(path, len(text)))
            for number, (path, text) in enumerate(files.items())
        }
        self._tree = Tree("t", entries, complete=True)

    def tree(self, _: str) -> Tree:
        return self._tree

    def text(self, entry: Entry) -> str:
        return self._files[entry.sha]


def desk(files: Mapping[str, str], agent: str = "building_inspector") -> Desk:
    reader: Any = Held(files)
    return Desk(agent, reader, ChangeSet("c", (), complete=True), "h", contract.DEFAULT_DOC_PATHS)


def judged(world: World, held: Held, content: str) -> Any:
    writer: Any = held
    proposal = Proposal(agent="a", path=DOCUMENT, content=content, appends=False, reason="", base="0")
    target = Target(branch="main", source="a" * 40, changed=("src/kettle.py",))
    (verdict,) = Publisher(writer, world.services.config, ()).judge(target, [proposal], "h")
    return verdict


@given(st.text(st.sampled_from("ab \n"), max_size=40))
def test_a_file_keeps_its_mark_and_its_line_ends(text: str) -> None:
    assert as_it_was(text, None) == text
    for mark in ("", "\ufeff"):
        windows = mark + text.replace("\n", "\r\n")
        assert as_it_was(plain(windows), windows) == windows
        assert as_it_was(text, f"{mark}a\nb\n") == mark + text


@pytest.mark.parametrize("opening", ["```markdown", "```md", "```", "~~~", "````Markdown", "```rst"])
def test_a_document_is_taken_out_of_the_fence_around_it(opening: str) -> None:
    inner = "# Kettle\n\n```python\nboil()\n```\n\nMore.\n"
    closing = opening[: len(opening) - len(opening.lstrip("`~"))]
    assert unfenced(f"{opening}\n{inner}{closing}\n") == inner


@pytest.mark.parametrize(
    "text",
    [
        "# A\n\n```\nx\n```\n",
        "```python\n# A\n```\n",
        "```\nplain code\n```\n",
        "```md\n# A\n",
        "",
        "```",
        "```md\n```",
    ],
)
def test_other_fences_are_the_documents_own(text: str) -> None:
    assert unfenced(text) == text


def test_what_an_agent_proposes_is_kept_plain_and_without_its_fence() -> None:
    one = desk({DOCUMENT: "\ufeff# A\r\n\r\nB\r\n"})
    assert one.answer("read_document", {"path": DOCUMENT}) == "# A\n\nB\n"
    one.answer("propose_document", {"path": DOCUMENT, "content": "```markdown\r\n# A\r\n\r\nC\r\n```", "reason": ""})
    assert one.proposals[DOCUMENT].content == "# A\n\nC\n"


def test_a_history_with_other_line_ends_is_not_repeated() -> None:
    before = "\ufeff# History\r\n\r\n## 2025\r\n\r\nA kettle.\r\n"
    one = desk({HISTORY: before}, "historian")
    one.answer("append_history", {"content": "# History\n\n## 2025\n\nA kettle.\n\n## 2026\n\nA lid.\n"})
    assert one.proposals[HISTORY].content == "## 2026\n\nA lid."


def test_a_pointer_of_lfs_is_neither_read_nor_overwritten(world: World) -> None:
    with pytest.raises(DeskError, match="is kept in Git LFS"):
        desk({DOCUMENT: POINTER}).answer("read_document", {"path": DOCUMENT})
    verdict = judged(world, Held({DOCUMENT: POINTER}), TEXT)
    assert (verdict.status, "Git LFS" in verdict.reasons[0]) == ("refused", True)


def test_a_document_that_is_too_large_to_read_is_refused_and_not_fetched(world: World) -> None:
    verdict = judged(world, Held({DOCUMENT: ""}, {DOCUMENT: MAX_TEXT_BYTES + 1}), TEXT)
    assert (verdict.status, "too many to read" in verdict.reasons[0]) == ("refused", True)


@pytest.mark.parametrize("held", [TEXT.rstrip(), f"{TEXT}\n\n", TEXT.replace("\n", "\r\n"), f"\ufeff{TEXT}"])
def test_a_text_that_only_ends_otherwise_is_unchanged(world: World, held: str) -> None:
    assert judged(world, Held({DOCUMENT: held}), TEXT).status == "unchanged"


def test_what_is_committed_is_written_down_as_it_was(world: World) -> None:
    verdict = judged(
        world, Held({DOCUMENT: f"\ufeff{TEXT}".replace("\n", "\r\n")}), f"{TEXT}\nA lid of src/kettle.py.\n"
    )
    assert verdict.status == "committed", verdict
    assert verdict.text == f"\ufeff{TEXT}\nA lid of src/kettle.py.\n".replace("\n", "\r\n")


def test_half_of_a_character_in_an_answer_is_kept_and_refused_and_fails_nothing(world: World) -> None:
    one = desk({DOCUMENT: TEXT})
    one.answer("propose_document", {"path": DOCUMENT, "content": f"{TEXT}\n\ud83d\n", "reason": "\ud83d"})
    with pytest.raises(DeskError):
        one.answer("propose_document", {"path": "docs/\ud83d.md", "content": TEXT, "reason": ""})
    result = AgentResult(
        agent="a", outcome="proposed", proposals=tuple(one.proposals.values()), refused=tuple(one.refused)
    )
    assert AgentResult.unpacked(result.packed()) == result
    verdict = judged(world, Held({DOCUMENT: TEXT}), one.proposals[DOCUMENT].content)
    assert (verdict.status, verdict.reasons) == ("refused", ("it has characters that are no text, or hide it",))


def test_a_run_keeps_the_line_ends_of_a_repository_of_windows(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    world.push({path: text.replace("\n", "\r\n") for path, text in FILES.items()}, "chore: line ends")
    assert world.work(world.push({path: text.replace("\n", "\r\n") for path, text in CHANGE.items()})) == []
    assert results(caplog)[-1]["outcome"] == "committed"
    for path in (DOCUMENT, HISTORY, "README.md"):
        text = world.files()[path]
        assert text.count("\r\n") == text.count("\n"), path
        assert len(text) > len(FILES[path].replace("\n", "\r\n"))
