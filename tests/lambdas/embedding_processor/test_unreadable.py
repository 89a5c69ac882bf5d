"""Objects that S3 has and does not give: refused with the reason where no retry helps, tried again where one may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from lambdas.embedding_processor.errors import DeniedError
from lambdas.embedding_processor.handler import RetryError
from lambdas.embedding_processor.objects import Objects
from lambdas.shared.object_refusals import REMEDIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lambdas.embedding_processor.conftest import Function

KEY = "a.txt"
ARCHIVED = {"StorageClass": "DEEP_ARCHIVE"}
OWNERS_KEY = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"0" * 32}


def put(function: Function, **how: Any) -> dict[str, Any]:
    """Put a text in a way that S3 will not give it; the record of the event."""
    function.s3.put_object(Bucket=function.bucket, Key=KEY, Body=b"A text of ours.", **how)
    return function.record(KEY, "ObjectCreated:Put")


@pytest.mark.parametrize("versioned", [True, False])
@pytest.mark.parametrize(
    ("how", "why"), [(ARCHIVED, "archived: restore it"), (OWNERS_KEY, "SSE-C")], ids=["archived", "of its owner's key"]
)
def test_what_s3_will_never_give_is_refused_at_once(
    make_function: Callable[..., Function], how: dict[str, Any], why: str, versioned: bool
) -> None:
    function = make_function(versioned=versioned)
    function.deliver(function.put(KEY, "What was there before."))
    answers = function.deliver(put(function, **how), function.put("b.txt", "Its neighbour."))
    assert [answer["status"] for answer in answers] == ["refused", "ok"]
    assert answers[0]["reason"] == "unreadable"
    assert why in answers[0]["detail"]
    assert [row["content"] for row in function.rows()] == ["Its neighbour."], "what was there before is not there now"
    (failed,) = function.failed()
    assert failed["responsePayload"]["errorType"] == "unreadable"


@pytest.mark.parametrize("versioned", [True, False])
def test_a_text_that_was_embedded_and_then_archived_keeps_its_rows(
    make_function: Callable[..., Function], monkeypatch: pytest.MonkeyPatch, versioned: bool
) -> None:
    """As by a lifecycle rule, which changes neither version nor time; the event is delivered once more."""
    function = make_function(versioned=versioned)
    record = function.put(KEY, "A text of ours.")
    function.deliver(record)
    with monkeypatch.context() as archived:
        _refuse(archived, "InvalidObjectState")
        (answer,) = function.deliver(record)
    assert answer["state"] == "unchanged"
    assert len(function.rows()) == 1
    assert function.failed() == []


def test_one_that_can_be_read_again_is_embedded(function: Function) -> None:
    function.deliver(put(function, **ARCHIVED))
    (failed,) = function.failed()
    function.put(KEY, "A text of ours.")
    (answer,) = function.invoke(failed["requestPayload"])["files"]
    assert answer["state"] == "embedded"


def test_an_archived_one_that_is_removed_meanwhile_is_gone(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    record = function.put(KEY, "A text of ours.")
    function.deliver(record)
    function.remove(KEY)
    _refuse(monkeypatch, "InvalidObjectState")
    (answer,) = function.deliver(record)
    assert answer["state"] == "removed"
    assert function.rows() == []


def test_a_key_that_somebody_may_enable_is_tried_again(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    record = function.put(KEY, "A text of ours.")
    _refuse(monkeypatch, "KMS.DisabledException")
    with pytest.raises(RetryError, match=r"DeniedError: .*KMS key: KMS\.DisabledException"):
        function.deliver(record)
    assert function.failed() == []


@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "RequestTimeout", "ExpiredToken"])
def test_what_may_pass_stays_what_it_is(code: str) -> None:
    with pytest.raises(ClientError, match=code), Objects(_Client(code)).open("bucket", KEY):
        pass


@pytest.mark.parametrize("code", sorted(REMEDIES))
def test_every_code_that_the_functions_share_is_known(code: str) -> None:
    with Objects(_Client(code)).open("bucket", KEY) as found:
        assert found is None or REMEDIES[code] in found.unreadable


@pytest.mark.parametrize("code", ["AccessDenied", "403", "KMS.DisabledException", "KMS.KMSInvalidStateException"])
def test_what_somebody_may_allow_is_denied(code: str) -> None:
    with pytest.raises(DeniedError), Objects(_Client(code)).open("bucket", KEY):
        pass


class _Client:
    """S3 that refuses an object with a code, and has none."""

    def __init__(self, code: str) -> None:
        self._code = code

    def get_object(self, **_: Any) -> Any:
        raise _error(self._code)

    def head_object(self, **_: Any) -> Any:
        raise _error("404")


def _error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, "GetObject")


def _refuse(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """From now on S3 refuses to give objects, and shows them all the same."""
    from lambdas.embedding_processor import handler

    def refused(**_: Any) -> Any:
        raise _error(code)

    monkeypatch.setattr(handler._s3(), "get_object", refused)
