"""Files made to break readers: each gets a result or a typed error in time, and the next request its answer."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import time
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.image_processor.contract import DEFAULT_MEMORY_MB, Code
from sandbox.demos.image_processor.pdf import Pdf, with_image
from tests.encrypted import METHODS, encrypted
from tests.lambdas.image_processor import hostile
from tests.lambdas.image_processor.conftest import ask, only

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

OPERATIONS = ("extract_images", "render_pages")
GOOD = with_image(1, 1, b"x")


@contextlib.contextmanager
def work_within(seconds: float) -> Generator[None]:
    """Within, children together use so much processor time at most: other work on the machine does not add to it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    yield
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < seconds


@contextlib.contextmanager
def answered_within(seconds: float) -> Generator[None]:
    """Within, the function has so much time left, and Lambda would end it then."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


def check(answer: dict[str, Any]) -> str:
    """An answer is a result, or an error of the contract; its status or its code."""
    text = json.dumps(answer)
    assert "Traceback" not in text
    if answer["status"] == "ok":
        return "ok"
    assert answer.keys() == {"status", "error"}
    assert "broke the program" not in text, text
    return Code(answer["error"]["code"]).value


@pytest.fixture(autouse=True)
def _answers_the_next_request() -> Any:
    yield
    assert check(ask(GOOD)) == "ok"


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (hostile.no_pages, {"ok", "damaged"}),
        (hostile.page_tree_in_a_circle, {"ok", "damaged"}),
        (hostile.parents_in_a_circle, {"ok", "damaged"}),
        (hostile.many_pages_by_their_count, {"ok", "damaged", "too_large"}),
        (hostile.forms_in_a_circle, {"ok"}),
        (hostile.masks_in_a_circle, {"ok"}),
        (hostile.names_that_are_no_utf_8, {"ok"}),
        (hostile.type_3_glyphs, {"ok"}),
        (lambda: b"", {"not_a_pdf"}),
        (lambda: b"\x89PNG\r\n\x1a\n" + bytes(99), {"not_a_pdf"}),
        (lambda: b"PK\x03\x04" + bytes(2_000) + GOOD, {"not_a_pdf"}),
        (lambda: b"%PDF-1.7\n", {"damaged"}),
        (lambda: b"%PDF-1.7\n" + b"[" * 100_000, {"damaged"}),
        (lambda: b"junk before it\n" + GOOD, {"ok"}),
    ],
)
def test_broken_and_malicious_structures(make: Callable[[], bytes], expected: set[str], operation: str) -> None:
    with work_within(10):
        assert check(ask(make(), operation)) in expected


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("tenth", range(1, 10))
def test_a_file_that_is_cut_short(tenth: int, operation: str) -> None:
    pdf = Pdf()
    for number in range(10):
        pdf.show(pdf.image(1, 1, bytes([number])))
    data = pdf.bytes()
    answer = ask(data[: len(data) * tenth // 10], operation)
    assert check(answer) in {"ok", "damaged"}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("password", "expected"), [("", "ok"), ("secret", "encrypted")])
def test_encrypted_files(method: str, password: str, expected: str) -> None:
    """One that opens with an empty password is not encrypted for a reader."""
    data = encrypted(GOOD, method, password)
    for operation in OPERATIONS:
        assert check(ask(data, operation)) == expected


def test_an_unknown_encryption() -> None:
    pdf = Pdf(trailer="/Encrypt << /Filter /Unheard.of /V 9 >> /ID [<00> <00>]")
    pdf.page("")
    assert check(ask(pdf.bytes())) == "encrypted"


def test_a_page_too_large_to_draw_says_what_would_do() -> None:
    answer = ask(hostile.huge_page(), "render_pages")
    assert check(answer) == "too_many_pixels"
    pdf = Pdf()
    pdf.page("", box="0 0 7200 7200")
    answer = ask(pdf.bytes(), "render_pages", dpi=600)
    assert "at most 63 dpi" in answer["error"]["message"]
    assert ask(pdf.bytes(), "render_pages", dpi=63)["status"] == "ok"


@pytest.mark.parametrize(
    "make",
    [
        hostile.bomb_of_samples,
        hostile.inline_bomb,
        *(lambda kind=kind: hostile.bombs_by_header(kind) for kind in ("jpeg", "jpx", "jbig2")),
    ],
    ids=["samples", "inline", "jpeg", "jpx", "jbig2"],
)
def test_bombs_are_refused_by_their_pixels_before_they_are_decoded(make: Callable[[], bytes]) -> None:
    data = make()
    with work_within(3):
        answer, drawn = ask(data), ask(data, "render_pages")
    assert check(answer) == "ok"
    assert answer["images"] == []
    assert [skipped["reason"].split(":")[0] for skipped in answer["skipped"]] == ["too_many_pixels"]
    assert drawn["images"] == []
    assert "too_many_pixels" in drawn["skipped"][0]["reason"]


INFLATING = {
    **{
        f"zeros under {chain}": (lambda chain=chain: hostile.bomb_before_a_coded_image(chain))
        for chain in (
            "FlateDecode/JPXDecode",
            "Fl/DCT",
            "FlateDecode/JBIG2Decode",
            "FlateDecode/CCITTFaxDecode",
            "A85/FlateDecode/DCTDecode",
            "Fl/Fl/JPXDecode",
            "FlateDecode/RunLengthDecode/DCTDecode",
            "FlateDecode/LZWDecode/FlateDecode",
            "JPXDecode/FlateDecode",
            "DCTDecode/FlateDecode",
        )
    },
    "zeros after a header": lambda: hostile.bomb_before_a_coded_image(
        "FlateDecode/DCTDecode", b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00"
    ),
    "a mask": hostile.bomb_of_a_mask,
    **{
        f"a {kind}": (lambda kind=kind: hostile.bomb_of_a_helper(kind))
        for kind in ("profile", "palette", "base", "globals")
    },
}


@pytest.mark.parametrize("make", INFLATING.values(), ids=INFLATING)
def test_what_inflates_to_more_than_its_pixels_need_costs_one_image(make: Callable[[], tuple[bytes, int, int]]) -> None:
    """Whatever the filters, and whatever of the image it is: the others are returned, and the other pages drawn."""
    data, good, bad = make()
    with work_within(3):
        answer, drawn = ask(data), ask(data, "render_pages", dpi=36)
    assert check(answer) == check(drawn) == "ok"
    assert [image["xref"] for image in answer["images"]] == [good]
    assert [(skipped["page"], skipped["xref"]) for skipped in answer["skipped"]] == [(0, bad)]
    assert [image["page"] for image in drawn["images"]][-1:] == [1]
    assert {skipped["page"] for skipped in drawn["skipped"]} <= {0}


def test_a_mask_can_be_a_bomb_too() -> None:
    pdf = Pdf()
    mask = pdf.image(100_000, 100_000, b"")
    bomb, good = pdf.image(1, 1, b"x", extra=f"/SMask {mask} 0 R"), pdf.image(1, 1, b"y")
    pdf.page("/B Do /G Do", f"/XObject << /B {bomb} 0 R /G {good} 0 R >>")
    answer = ask(pdf.bytes())
    assert [image["xref"] for image in answer["images"]] == [good]
    assert [skipped["xref"] for skipped in answer["skipped"]] == [bomb]
    long, wide = Pdf(), 20_000
    mask = long.image(1, wide, bytes(wide))
    answer = ask(long.show(long.image(wide, 1, bytes(wide), extra=f"/SMask {mask} 0 R")).bytes())
    assert answer["skipped"][0]["reason"].startswith("too_many_pixels: 20,000 by 20,000")


def test_the_limit_of_pixels_is_a_setting(limits: Callable[..., None]) -> None:
    limits(MAX_PIXELS=4)
    assert only(ask(with_image(2, 2, bytes(4))))
    assert len(ask(with_image(5, 1, bytes(5)))["skipped"]) == 1


def test_more_drawing_than_there_is_time_for() -> None:
    for operation in OPERATIONS:
        with answered_within(8):
            assert check(ask(hostile.forms_that_double(28), operation, seconds=8)) == "timed_out"


@pytest.mark.slow
def test_ten_thousand_tiny_images() -> None:
    for inline in (True, False):
        answer = ask(hostile.tiny_images(10_000, inline=inline))
        assert check(answer) == "ok"
        assert len(answer["images"]) == 10_000


@pytest.mark.slow
def test_twenty_thousand_pages() -> None:
    data = hostile.many_pages(20_000)
    with work_within(30):
        image = only(ask(data))
    assert image["pages"] == list(range(20_000))
    assert check(ask(data, "render_pages", dpi=1)) in {"ok", "response_too_large"}


@pytest.mark.slow
def test_a_gigabyte_in_an_object_stream() -> None:
    data = hostile.object_stream(1_000)
    assert len(data) < 1_100_000
    for operation in OPERATIONS:
        with answered_within(30):
            assert check(ask(data, operation, seconds=30)) in {"ok", "damaged", "too_large", "timed_out"}


def test_what_needs_more_memory_than_there_is(limits: Callable[..., None]) -> None:
    """The limit holds in the child: it ends there, in a typed answer."""
    limits(AWS_LAMBDA_FUNCTION_MEMORY_SIZE=640, MAX_PIXELS=400_000_000)
    answer = ask(with_image(20_000, 15_000, b"x", bits=1))
    assert check(answer) in {"ok", "too_large"}
    assert answer["status"] == "error" or "memory" in answer["skipped"][0]["reason"]
    assert DEFAULT_MEMORY_MB == 2_048


def test_a_crash_of_the_library_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    from lambdas.image_processor import work  # beside what it replaces

    monkeypatch.setattr(work.Document, "open", lambda _: os.abort())
    answer = ask(GOOD)
    assert (answer["error"]["code"], "crashed" in answer["error"]["message"]) == ("damaged", True)
    monkeypatch.undo()
