"""Requests: what they may say, and what is said about what they may not."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.image_processor.contract import MAX_ANSWER_BYTES
from lambdas.image_processor.request import S3Place, parse
from sandbox.demos.image_processor.pdf import Pdf, with_image
from tests.lambdas.image_processor.conftest import ask, invoke, only

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD = with_image(1, 1, b"x")
GIVEN = {"operation": "extract_images", "file_bytes_base64": base64.b64encode(GOOD).decode()}


def error(answer: dict[str, Any]) -> tuple[str, str]:
    """Code and message."""
    assert answer.keys() == {"status", "error"}
    assert answer["status"] == "error"
    return answer["error"]["code"], answer["error"]["message"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"file_bytes_base64": None}, ["file_bytes_base64", "bucket"]),
        ({"bucket": "b", "key": "k"}, ["either"]),
        ({"file_bytes_base64": None, "bucket": "b"}, ["`key` is missing"]),
        ({"file_bytes_base64": None, "bucket": "", "key": "k"}, ["`bucket` is ''"]),
        ({"file_bytes_base64": None, "bucket": "b", "key": "\ud800"}, ["`key`"]),
        ({"file_bytes_base64": None, "bucket": "b", "key": "k" * 1_025}, ["`key`", "1024"]),
        ({"file_bytes_base64": 7}, ["file_bytes_base64", "7"]),
        ({"file_bytes_base64": "***"}, ["base64"]),
        ({"file_bytes_base64": "ünïcödé"}, ["base64"]),
        ({"file_bytes_base64": f"{base64.encodebytes(GOOD).decode()}"}, ["without line breaks"]),
        ({"file_bytes_base64": f"data:application/pdf;base64,{GIVEN['file_bytes_base64']}"}, ["`data:`"]),
        ({"page_numbers": []}, ["page_numbers", "leave it out"]),
        ({"page_numbers": "0"}, ["page_numbers"]),
        ({"page_numbers": [True]}, ["page_numbers"]),
        ({"page_numbers": [0.5]}, ["page_numbers"]),
        ({"dpi": 0}, ["dpi", "1 to 1200"]),
        ({"dpi": 1_201}, ["dpi"]),
        ({"dpi": "150"}, ["dpi", "'150'"]),
        ({"original": "yes"}, ["original", "true or false"]),
        ({"output": "bucket"}, ["output"]),
        ({"output": {"prefix": "p"}}, ["output.bucket"]),
        ({"output": {"bucket": "b", "prefix": 3}}, ["output.prefix"]),
        ({"output": {"bucket": "b", "path": "p"}}, ["output"]),
        ({"pages": [1]}, ["pages", "page_numbers"]),
        ({"dpi": 0, "page_numbers": [], "x": 1}, ["dpi", "page_numbers", "`'x'`"]),
    ],
)
def test_a_bad_request_is_told_all_that_is_wrong_with_it(change: dict[str, Any], words: list[str]) -> None:
    event = {key: value for key, value in {**GIVEN, **change}.items() if value is not None}
    code, message = error(invoke(event))
    assert code == "bad_request"
    assert [word for word in words if word not in message] == []
    assert len(message) < 1_000


@pytest.mark.parametrize("event", [None, [], "text", 3])
def test_what_is_no_object_is_a_bad_request(event: Any) -> None:
    assert error(invoke(event))[0] == "bad_request"


@pytest.mark.parametrize(
    "event", [{}, {"operation": "extract"}, {"operation": None}, {"operation": ["extract_images"]}]
)
def test_an_unknown_operation_is_told_the_known_ones(event: dict[str, Any]) -> None:
    code, message = error(invoke(event))
    assert code == "unknown_operation"
    assert "extract_images" in message
    assert "render_pages" in message


@pytest.mark.parametrize("numbers", [[1], [-1], [0, 9], list(range(1, 99))])
def test_pages_that_are_not_there(numbers: list[int]) -> None:
    code, message = error(ask(GOOD, page_numbers=numbers))
    assert code == "page_out_of_range"
    assert "0 to 0" in message


def test_nulls_are_as_good_as_absent() -> None:
    only(invoke({**GIVEN, "page_numbers": None, "output": None, "dpi": None, "original": None, "bucket": None}))


def test_a_prefix_that_is_null_is_none() -> None:
    request = parse({**GIVEN, "output": {"bucket": "images", "prefix": None}})
    assert request.output == S3Place("images", "")


def test_a_file_that_is_too_large(limits: Callable[..., None]) -> None:
    limits(MAX_FILE_BYTES=len(GOOD) - 1)
    assert error(invoke(GIVEN))[0] == "too_large"
    limits(MAX_FILE_BYTES=len(GOOD))
    only(invoke(GIVEN))


def test_a_wrong_setting_fails_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unlike a request, it is nobody's who calls: Lambda counts an error, and the alarm says so."""
    monkeypatch.setenv("MAX_PIXELS", "many")
    with pytest.raises(Exception, match="MAX_PIXELS is 'many'"):
        invoke(GIVEN)


def test_no_time_left() -> None:
    assert error(ask(GOOD, seconds=5.5))[0] == "timed_out"


def noise(side: int) -> bytes:
    """An image that does not compress."""
    import os

    return with_image(side, side, os.urandom(side * side))


def test_an_answer_is_not_larger_than_lambda_can_return() -> None:
    answer = ask(noise(2_100))
    assert len(json.dumps(answer)) < MAX_ANSWER_BYTES
    assert answer["status"] == "ok"
    code, message = error(ask(noise(2_200)))
    assert code == "response_too_large"
    assert "`output`" in message


def test_the_health_request_needs_no_file() -> None:
    report = invoke({"test": True})
    assert report["ok"] is True
    assert report["function"] == "image_processor"
    assert report["versions"].keys() == {"pymupdf", "aws-lambda-powertools", "boto3"}


def test_what_is_counted_and_logged(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    pdf = Pdf()
    broken, whole = pdf.image(8, 8, b"-", extra="/Filter /DCTDecode"), pdf.image(1, 1, b"x")
    pdf.page("/B Do /W Do", f"/XObject << /B {broken} 0 R /W {whole} 0 R >>")
    ask(pdf.bytes())
    ask(b"")
    done, failed = (entry.__dict__ for entry in caplog.records)
    assert (done["operation"], done["pages"], done["images"], done["skipped"]) == ("extract_images", 1, 1, 1)
    assert done["peak_mib"] < 100
    assert (failed["code"], failed["levelname"]) == ("not_a_pdf", "WARNING")
    written = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    metrics = [{key: value for key, value in line.items() if key[0].isupper()} for line in written if "_aws" in line]
    assert metrics == [
        {"DocumentsProcessed": [1.0], "ImagesReturned": [1.0], "ImagesSkipped": [1.0]},
        {"DocumentsFailed": [1.0]},
    ]


def test_the_garbage_collector_rests_only_while_the_library_is_loaded() -> None:
    """PyMuPDF's objects stay, so they are not looked through again: that was a third of a cold start."""
    started = "import gc, lambdas.image_processor.engine; print(gc.isenabled(), gc.get_freeze_count())"
    done = subprocess.run([sys.executable, "-c", started], capture_output=True, text=True, check=True, timeout=120)
    enabled, frozen = done.stdout.split()
    assert enabled == "True"
    assert int(frozen) > 50_000
