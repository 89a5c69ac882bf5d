"""What libraries may write to a function's log, at whatever level."""

from __future__ import annotations

import io
import json
import logging
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lambdas.shared.logs import LIBRARIES, function_logger, hold_libraries
from lambdas.shared.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.account import Account

REPOSITORY = Path(__file__).parents[3]
HANDLERS = [
    *(file for file in (REPOSITORY / "lambdas").glob("*/*.py") if file.parent.name != "shared"),
    *(REPOSITORY / "scripts" / "scaffold" / "templates").rglob("*.py.tmpl"),
]
VALUE = "sk-very-secret-0123456789"


def all_loggers() -> list[logging.Logger]:
    known = logging.root.manager.loggerDict.values()
    return [logging.root, *(logger for logger in known if isinstance(logger, logging.Logger))]


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Everything that reaches the root logger's handler; all loggers are as a new process has them."""
    before = {logger: logger.level for logger in all_loggers()}
    for logger in before:
        logger.setLevel(logging.NOTSET)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
    logging.root.addHandler(handler)
    yield stream
    logging.root.removeHandler(handler)
    for logger in all_loggers():
        logger.setLevel(before.get(logger, logging.NOTSET))


def read_a_secret(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in account.environment().items():
        monkeypatch.setenv(name, value)
    made = account.client("secretsmanager").create_secret(Name=f"test-{uuid.uuid4()}", SecretString=VALUE)
    assert Secret("API_KEY", {"API_KEY_SECRET_ARN": made["ARN"]}, function="f").value() == VALUE


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_secret_is_not_logged_when_the_root_logger_is_at_debug(
    account: Account, monkeypatch: pytest.MonkeyPatch, written: io.StringIO, when: str
) -> None:
    logging.root.setLevel(logging.DEBUG)
    if when == "after":
        logging.root.setLevel(logging.WARNING)
    hold_libraries("own")
    logging.root.setLevel(logging.DEBUG)
    read_a_secret(account, monkeypatch)
    logging.getLogger("own").debug("a line of the function")
    assert written.getvalue() == "own DEBUG a line of the function\n"


def test_without_that_the_secret_would_be_there(
    account: Account, monkeypatch: pytest.MonkeyPatch, written: io.StringIO
) -> None:
    logging.root.setLevel(logging.DEBUG)
    read_a_secret(account, monkeypatch)
    assert VALUE in written.getvalue()


@pytest.mark.usefixtures("written")
def test_libraries_may_warn_and_no_more() -> None:
    logging.getLogger("some.library").setLevel(logging.DEBUG)
    logging.getLogger("strict").setLevel(logging.ERROR)
    hold_libraries("own")
    names = [*LIBRARIES, "botocore.parsers", "some.library", "some", "a_library_that_is_imported_later"]
    assert {name: logging.getLogger(name).getEffectiveLevel() for name in names} == dict.fromkeys(
        names, logging.WARNING
    )
    assert logging.getLogger("strict").level == logging.ERROR


@pytest.mark.parametrize("place", HANDLERS, ids=lambda place: place.relative_to(REPOSITORY).as_posix())
def test_every_function_takes_its_logger_from_here(place: Path) -> None:
    """A scaffold's template, too: a function that makes its own logger lets libraries log what they see."""
    assert "Logger()" not in place.read_text(encoding="utf-8")


@pytest.mark.usefixtures("written")  # what other tests' functions log is not held afterwards
@pytest.mark.parametrize("text", ["\ud800.pdf", "a \udfff b", "\x00\u2028 é 日本 😀"])
def test_a_line_is_written_whatever_is_in_it(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", f"test-{uuid.uuid4()}")
    written = io.BytesIO()
    logger = function_logger()
    for handler in logger.handlers:
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(io.TextIOWrapper(written, "utf-8", write_through=True))
    logger.warning("refused", extra={"key": text, "cause": ValueError(text)})
    entry = json.loads(written.getvalue())
    assert (entry["key"], entry["cause"]) == (text, text)
