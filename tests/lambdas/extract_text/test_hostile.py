"""Hostile documents: each gives a result or a typed error, in time and within memory, and the next one is read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from lambdas.extract_text import contract
from lambdas.shared.child import How
from lambdas.shared.contract import child_memory_bytes
from lambdas.shared.deadline import Deadline
from lambdas.shared.pdf import cutting, reading
from lambdas.shared.pdf.errors import CODES, DocumentError
from tests import corpora
from tests.hostile import MADE
from tests.lambdas.memory import beyond_the_limit
from tests.pdfs import text_pdf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lambdas.shared.child import Ending
    from lambdas.shared.tokens import Tokenizer

MEMORY_BYTES = child_memory_bytes(contract.DEFAULT_MEMORY_MB)
SECONDS = 120.0
"""For one document: a fraction of the function's time."""
PARTS = 4
"""The largest corpus is read in parts, so that they can be read side by side."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]


@pytest.fixture
def read(tokenizer: Tokenizer) -> Callable[[Path], tuple[str, list[Ending]]]:
    """Reads a document: `ok`, or its error's code; and the children that it took."""

    def outcome(path: Path) -> tuple[str, list[Ending]]:
        endings: list[Ending] = []
        budget = reading.Budget(
            memory_bytes=MEMORY_BYTES,
            deadline=Deadline.after(SECONDS),
            max_pages=contract.MAX_PAGES.default,
            watch=lambda _, ending: endings.append(ending),
        )
        try:
            pages = reading.read_pages(path, budget, plain=False)
            cutting.cut(pages, tokenizer, contract.CHUNK_TOKENS.default, contract.CHUNK_OVERLAP_TOKENS.default, budget)
        except DocumentError as error:
            return error.code, endings
        assert [page.number for page in pages] == list(range(1, len(pages) + 1))
        return "ok", endings

    return outcome


def _check(code: str, endings: list[Ending]) -> None:
    assert code in ("ok", *CODES)
    for ending in endings:
        assert ending.peak_bytes < MEMORY_BYTES + beyond_the_limit()
        assert ending.wall_seconds < SECONDS + 60  # a busy machine looks at its clock late
        assert ending.how is not How.RAISED, (ending.error, ending.detail, ending.trace)


EXPECTED = {
    "empty": {"not_a_pdf"},
    "only a header": {"damaged"},
    "no pages": {"damaged"},
    "twenty thousand pages": {"too_many_pages"},
    "a huge page": {"ok"},
    "ten thousand tiny images": {"ok"},
    "names that are no UTF-8": {"ok"},
}


@pytest.mark.parametrize("name", MADE)
def test_a_made_one_is_read_or_refused(
    name: str, read: Callable[[Path], tuple[str, list[Ending]]], tmp_path: Path
) -> None:
    path = tmp_path / "document.pdf"
    path.write_bytes(MADE[name]())
    code, endings = read(path)
    _check(code, endings)
    assert code in EXPECTED.get(name, {"ok", "damaged", "timed_out", "too_large", "too_many_pages"})
    path.write_bytes(text_pdf(["the next one"]))
    assert read(path)[0] == "ok"


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("corpus", "part"),
    [
        pytest.param(corpus, part, id=f"{corpus.package}-{part}")
        for corpus in corpora.HOSTILE
        for part in range(PARTS if corpus.package == "qpdf" else 1)
    ],
)
def test_every_file_of_other_peoples_test_suites_is_read_or_refused(
    corpus: corpora.Corpus, part: int, read: Callable[[Path], tuple[str, list[Ending]]]
) -> None:
    corpora.require([corpus])
    files = [path for path in corpora.hostile_pdfs() if path.is_relative_to(corpus.folder)]
    codes: Counter[str] = Counter()
    for path in files[part::PARTS] if corpus.package == "qpdf" else files:
        code, endings = read(path)
        _check(code, endings)
        codes[code] += 1
    assert codes["ok"] > 0.75 * codes.total(), codes
