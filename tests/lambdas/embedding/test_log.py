"""What is written while a batch is worked on: the function's own lines, and nothing that belongs to somebody."""

from __future__ import annotations

import io
import logging
import uuid
from typing import TYPE_CHECKING

import pytest

from lambdas.shared.logs import hold_libraries
from sandbox.standins.faults import Fault
from tests.lambdas.embedding.conftest import OPENAI_KEY, PINECONE_KEY, Function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.account import Account

TEXT = "the-text-of-somebody's-letter"
DOCUMENT = "patient-4711"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Everything that any logger writes while the root logger is at DEBUG, as with ApplicationLogLevel=DEBUG."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    before = logging.root.level
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.DEBUG)
    yield stream
    logging.root.setLevel(before)
    logging.root.removeHandler(handler)


def test_no_key_no_text_and_no_id_is_written_at_debug(
    make_function: Callable[..., Function],
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
    written: io.StringIO,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in account.environment().items():
        monkeypatch.setenv(name, value)
    secrets = account.client("secretsmanager")
    keys = {"OPENAI_API_KEY": OPENAI_KEY, "PINECONE_API_KEY": PINECONE_KEY}
    arns = {
        f"{name}_SECRET_ARN": secrets.create_secret(Name=f"t-{uuid.uuid4()}", SecretString=value)["ARN"]
        for name, value in keys.items()
    }
    function = make_function(AWS_LAMBDA_FUNCTION_NAME="strata-test-embedding", **arns)
    hold_libraries("service_undefined")  # the test's own clients came after the function's module
    logging.root.setLevel(logging.DEBUG)
    function.openai.faults.script(Fault(status=503), Fault(status=429))
    function.index.faults.script(Fault(status=503))
    assert function.send({"id": DOCUMENT, "text": TEXT}, {"id": DOCUMENT + "b", "delete": True}) == []
    function.openai.faults.always(Fault(status=400, body=f'{{"error": {{"message": "cannot embed {TEXT} x"}}}}'))
    assert function.send({"id": DOCUMENT, "text": TEXT + " again"}) == [0]
    everything = written.getvalue() + "".join(capsys.readouterr())
    assert "batch done" in everything
    assert "message failed" in everything
    for private in (*keys.values(), TEXT, DOCUMENT, "letter"):
        assert private not in everything


def test_a_warm_invocation_writes_its_own_lines_only(function: Function, written: io.StringIO) -> None:
    assert function.send({"id": DOCUMENT, "text": TEXT}) == []
    written.truncate(0)
    written.seek(0)
    logging.root.setLevel(logging.INFO)
    assert function.send({"id": DOCUMENT, "text": "another"}) == []
    assert written.getvalue().splitlines() == ["batch done"]
