"""One text that a server cannot take, or a server that takes nothing: who fails, and how many requests it costs."""

from __future__ import annotations

import math
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lambdas.embedding import handler
from sandbox.standins.faults import Fault
from sandbox.standins.pinecone.server import IndexSpec
from tests.lambdas.conftest import reasons
from tests.lambdas.embedding.servers import Answer, EmbeddingsServer, embeddings_server, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.lambdas.embedding.conftest import Function

    Make = Callable[..., Function]

BAD = "the bad one"
TEN = [f"message {number}" for number in range(9)] + [BAD]
UPSERT, STATS = "/vectors/upsert", "/describe_index_stats"


@contextmanager
def deployed(make_function: Make, **behaviour: Any) -> Generator[tuple[Function, EmbeddingsServer]]:
    """The function in front of a server of that behaviour, with quick retries."""
    with embeddings_server(**behaviour) as server:
        yield make_function(OPENAI_BASE_URL=server.url, OPENAI_MAX_RETRIES="1"), server


def when_bad(answer: Answer) -> Callable[[list[str], dict[str, Any]], Answer | None]:
    return lambda texts, _: answer if any(BAD in text for text in texts) else None


# --- fault 4: one text that a server cannot embed


@pytest.mark.parametrize(
    "answer",
    [
        refusal(400, "no"),
        refusal(422, "no"),
        refusal(500, "no"),
        Answer(503),
        Answer(200, "<html>Bad gateway</html>"),
        Answer(200, '{"data": []}'),
        Answer(200, '{"data": [nonsense'),
    ],
    ids=lambda answer: f"{answer.status} {answer.body[:12]}",
)
def test_a_text_that_fails_its_request_leaves_its_neighbours_alone(make_function: Make, answer: Answer) -> None:
    with deployed(make_function, rule=when_bad(answer)) as (function, server):
        assert function.send(*TEN) == [9]
        assert len(function.stored()) == 9
        assert len(server.requests) <= 11


SPOILT: dict[str, Any] = {
    "null in the middle": None,
    "NaN": np.full(384, math.nan, np.float32),
    "one NaN": np.array([1.0] * 383 + [math.nan], np.float32),
    "infinity": np.full(384, math.inf, np.float32),
    "zeros": np.zeros(384, np.float32),
    "empty": [],
    "short": np.ones(8, np.float32),
    "long": np.ones(1_536, np.float32),
    "null values": [None] * 384,
    "strings": ["1.0"] * 384,
    "nested": [[1.0] * 384],
}


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("position", [0, 4, 9])
def test_a_vector_that_is_none_fails_its_own_message(
    make_function: Make, caplog: pytest.LogCaptureFixture, spoilt: Any, position: int
) -> None:
    texts = [f"message {number}" for number in range(10)]
    with deployed(make_function, spoil=lambda text, vector: spoilt if text == texts[position] else vector) as (
        function,
        server,
    ):
        assert function.send(*texts) == [position]
        assert len(function.stored()) == 9
        assert server.of(texts[position - 1]) == 1, "what was answered is not paid for again"
        assert server.of(texts[position]) == 2, "with one retry configured"
    assert [reason for reason, _ in reasons(caplog)] == ["unavailable"]


def test_a_vector_that_is_null_now_and_then_is_asked_for_again(make_function: Make) -> None:
    seen: list[str] = []

    def once(text: str, vector: Any) -> Any:
        seen.append(text)
        return None if text == BAD and seen.count(BAD) == 1 else vector

    with deployed(make_function, spoil=once) as (function, server):
        assert function.send(*TEN) == []
        assert [len(texts) for texts in server.requests] == [10, 1]


def test_one_wrong_length_of_ten_is_named_with_its_own_length(
    make_function: Make, caplog: pytest.LogCaptureFixture
) -> None:
    short = np.ones(8, np.float32)
    with deployed(make_function, spoil=lambda text, vector: short if text == BAD else vector) as (function, _):
        assert function.send(*TEN) == [9]
    assert "8 dimensions instead of 384" in reasons(caplog)[0][1]


def test_a_server_that_is_down_costs_one_request_beside_the_retries(make_function: Make) -> None:
    with deployed(make_function, rule=lambda *_: Answer(500)) as (function, server):
        assert function.send(*TEN) == list(range(10))
        assert len(server.requests) == 3


def test_two_bad_texts_in_different_halves_are_both_found(make_function: Make) -> None:
    with deployed(make_function, rule=when_bad(refusal(400, "no"))) as (function, _):
        assert function.send(f"{BAD} once", *TEN) == [0, 10]
        assert len(function.stored()) == 9


# --- fault 11: a server that refuses everything


def test_a_refusal_of_everything_is_a_configuration_error_after_two_requests(
    make_function: Make, caplog: pytest.LogCaptureFixture
) -> None:
    with deployed(make_function, rule=lambda *_: refusal(400, "this server is for chats")) as (function, server):
        texts = [f"m{number}" for number in range(2_000)]
        assert function.send(*texts) == list(range(2_000))
        # The batch; a word in base64; a word in floats.
        assert [len(asked) for asked in server.requests] == [2_000, 1, 1]
    assert {reason for reason, _ in reasons(caplog)} == {"configuration"}
    assert "refuses every request" in reasons(caplog)[0][1]
    assert "this server is for chats" in reasons(caplog)[0][1]


def test_a_single_message_is_not_taken_for_bad_when_the_server_refuses_everything(
    make_function: Make, caplog: pytest.LogCaptureFixture
) -> None:
    with deployed(make_function, rule=lambda *_: refusal(422, "no")) as (function, _):
        assert function.send("a fine message") == [0]
    assert {reason for reason, _ in reasons(caplog)} == {"configuration"}


@pytest.mark.parametrize(
    ("message", "more", "requests"),
    [
        ("Bad Request", {}, 4),  # the batch, a word, the word in floats, the batch
        ("unknown value for encoding_format", {}, 2),
        ("base64 is not supported", {}, 2),
        ("Invalid value", {"param": "encoding_format"}, 2),
    ],
)
def test_a_server_without_base64_is_asked_for_floats(
    make_function: Make, message: str, more: dict[str, Any], requests: int
) -> None:
    def rule(_: list[str], request: dict[str, Any]) -> Answer | None:
        return refusal(400, message, **more) if request.get("encoding_format") == "base64" else None

    with deployed(make_function, rule=rule) as (function, server):
        assert function.send(*TEN) == []
        assert len(server.requests) == requests
        assert function.send("and the next batch knows") == []
        assert len(server.requests) == requests + 1


# --- fault 2: more than the account has for a minute


def tokens_per_minute(limit: int) -> Callable[[list[str], dict[str, Any]], Answer | None]:
    """OpenAI's answer to a request that is over the account's limit by itself, counting a word as a token."""

    def rule(texts: list[str], _: dict[str, Any]) -> Answer | None:
        asked = sum(len(text.split()) for text in texts)
        message = (
            "Request too large for text-embedding-ada-002 (for limit shared with text-embedding-ada-002) in "
            f"organization org-x on tokens per min (TPM): Limit {limit}, Requested {asked}. The input or output tokens "
            "must be reduced in order to run successfully."
        )
        return refusal(429, message, type="tokens", code="rate_limit_exceeded") if asked > limit else None

    return rule


def test_ten_messages_over_the_tokens_of_a_minute_are_sent_in_parts(make_function: Make) -> None:
    with deployed(make_function, rule=tokens_per_minute(40_000)) as (function, server):
        texts = [f"{number}" + " word" * 7_499 for number in range(10)]
        assert function.send(*texts) == []
        assert [len(asked) for asked in server.requests] == [10, 5, 5]
        assert function.send(*(f"again {text}" for text in texts)) == []
        assert [len(asked) for asked in server.requests][3:] == [5, 5], "what passes is remembered"


def test_one_long_message_over_the_tokens_of_a_minute_is_stored(make_function: Make) -> None:
    with deployed(make_function, rule=tokens_per_minute(20_000)) as (function, server):
        text = " ".join(f"w{number}" for number in range(22_500))
        assert function.send({"id": "long", "text": text}) == []
        assert len(function.stored()) >= 9
        assert max(sum(len(text.split()) for text in asked) for asked in server.requests[1:]) <= 20_000


def test_a_chunk_that_is_over_the_limit_alone_fails_alone(
    make_function: Make, caplog: pytest.LogCaptureFixture
) -> None:
    with deployed(make_function, rule=tokens_per_minute(5_000)) as (function, server):
        assert function.send(" word" * 8_000, "a short one", "and another") == [0]
        assert len(server.requests) <= 4
    assert reasons(caplog) == [("too large", reasons(caplog)[0][1])]
    assert "8000 tokens in one request, and the limit of a minute is 5000" in reasons(caplog)[0][1]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(413, "too much"),
        refusal(400, "Requested 300001 tokens", code="max_tokens_per_request"),
        refusal(429, "Request too large."),
    ],
    ids=lambda answer: answer.status,
)
def test_a_limit_that_is_not_said_is_found_by_halves_and_remembered(make_function: Make, answer: Answer) -> None:
    with deployed(make_function, rule=lambda texts, _: answer if len(texts) > 3 else None) as (function, server):
        assert function.send(*TEN) == []
        first = len(server.requests)
        assert function.send(*(f"other {text}" for text in TEN)) == []
        assert first <= 8
        assert all(len(asked) <= 3 for asked in server.requests[first:])


NO_TOKENS = "Request too large for m on tokens per min (TPM): Limit 0, Requested 5."


@pytest.mark.parametrize("answer", [Answer(413, "too much"), refusal(429, NO_TOKENS)], ids=lambda answer: answer.status)
@pytest.mark.parametrize("count", [1, 2, 200])
def test_a_server_that_finds_everything_too_large_costs_three_requests_and_is_not_remembered(
    make_function: Make, caplog: pytest.LogCaptureFixture, answer: Answer, count: int
) -> None:
    """It cost one for each message, and what it taught was kept to after the outage."""
    refusals = [answer]
    with deployed(make_function, rule=lambda *_: refusals[0] if refusals else None) as (function, server):
        assert len(function.send(*(f"message {number}" for number in range(count)))) == count
        assert len(server.requests) <= 3
        assert {reason for reason, _ in reasons(caplog)} == {"configuration"}
        assert "refuses every request" in reasons(caplog)[0][1]
        refusals.clear()
        server.requests.clear()
        assert function.send(*TEN) == []
        assert [len(asked) for asked in server.requests] == [10]


def test_a_smaller_limit_is_kept_to_for_a_minute(make_function: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Answer] = [Answer(413, "too much")]
    with deployed(make_function, rule=lambda *_: answers.pop() if answers else None) as (function, server):
        assert function.send(*TEN) == []
        assert [len(asked) for asked in server.requests][:2] == [10, 5]
        monkeypatch.setattr(handler._pipeline()._embedder, "_limit_ends", time.monotonic())
        server.requests.clear()
        assert function.send(*(f"later {text}" for text in TEN)) == []
        assert [len(asked) for asked in server.requests] == [10]


def test_a_limit_is_never_below_the_largest_text(make_function: Make) -> None:
    """A server that names a limit of nothing, once: the small texts shared no request any more."""
    answers: list[Answer] = [refusal(429, NO_TOKENS)]
    texts = ["a much longer one" * 20, *(f"m{number}" for number in range(10))]
    with deployed(make_function, rule=lambda *_: answers.pop() if answers else None) as (function, server):
        assert function.send(*texts) == []
        assert [len(asked) for asked in server.requests] == [11, 1, 10]


def test_a_rate_limit_that_passes_is_waited_for_and_not_divided(make_function: Make) -> None:
    message = "Rate limit reached on tokens per min (TPM): Limit 40000, Used 39000, Requested 7500. Try again in 1s."
    answers = iter([refusal(429, message, code="rate_limit_exceeded"), None])
    with deployed(make_function, rule=lambda *_: next(answers)) as (function, server):
        assert function.send(*TEN) == []
        assert [len(asked) for asked in server.requests] == [10, 10]


def test_a_quota_that_is_used_up_is_not_waited_for(make_function: Make, caplog: pytest.LogCaptureFixture) -> None:
    answer = refusal(429, "You exceeded your current quota", code="insufficient_quota", type="insufficient_quota")
    with deployed(make_function, rule=lambda *_: answer) as (function, server):
        assert function.send(*TEN) == list(range(10))
        assert len(server.requests) == 1
    assert {reason for reason, _ in reasons(caplog)} == {"configuration"}
    assert "add credit" in reasons(caplog)[0][1]


# --- fault 1: the usable maximum of ada-002


def test_ada_gets_no_chunk_of_8192_tokens(make_function: Make) -> None:
    with embeddings_server(spoil=lambda _, vector: np.pad(vector, (0, 1_536 - 384))) as server:
        function = make_function(
            1_536,
            OPENAI_BASE_URL=server.url,
            OPENAI_EMBEDDING_MODEL="text-embedding-ada-002",
            OPENAI_EMBEDDING_DIMENSIONS="",
        )
        long = " ".join(f"word{number}" for number in range(9_000))
        assert function.send(long, *(f"short {number}" for number in range(9))) == []
        counts = [len(function.tokenizer().encode_ordinary(text)) for asked in server.requests for text in asked]
        assert max(counts) <= 8_191
        assert max(counts) > 8_000


# --- fault 13: what services say


TEXT = 'Dear diary, "today" I met\nMs. Example; her number is 0170 1234567. 漢字かな交じり文を書いた。'


def quoting(form: Callable[[str], str], status: int) -> Callable[[list[str], dict[str, Any]], Answer | None]:
    return lambda texts, _: (
        refusal(status, f"cannot embed {form(texts[-1])[:200]}") if any("diary" in text for text in texts) else None
    )


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "repr": repr,
    "JSON": lambda text: re.sub(r"[^ -~]", lambda found: f"\\u{ord(found[0]):04x}", text),
    "upper case": str.upper,
    "its end": lambda text: text[-20:],
    "cut": lambda text: f"{text[:12]}…",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("status", [400, 403, 404])
def test_an_error_that_quotes_the_text_is_logged_without_it(
    make_function: Make, caplog: pytest.LogCaptureFixture, form: Callable[[str], str], status: int
) -> None:
    with deployed(make_function, rule=quoting(form, status)) as (function, _):
        assert function.send(TEXT) == [0]
    (detail,) = (detail for _, detail in reasons(caplog))
    assert f"answered {status}" in detail
    assert "quote what was sent" in detail
    assert not any(part.lower() in detail.lower() for part in ("diary", "Example", "1234567", "漢字", "u6f22"))


def test_an_error_that_quotes_metadata_is_logged_without_it(
    function: Function, caplog: pytest.LogCaptureFixture
) -> None:
    said = "Metadata value must be a string, got 'the patient Jane Example' for field 'name'"
    function.index.faults.always(Fault(status=400, body=f'{{"code": 3, "message": "{said}"}}'), path=UPSERT)
    assert function.send({"text": "text", "metadata": {"name": "the patient Jane Example"}}) == [0]
    assert "Jane" not in str(reasons(caplog))
    assert "Pinecone answered 400" in str(reasons(caplog))


# --- faults 7 and 12: an index that says no


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            '{"error": {"code": "FORBIDDEN", "message": "Your project reached its storage limit of 2 GB"}}',
            "Your project reached its storage limit of 2 GB",
        ),
        (
            "<html><h1>403</h1><p>Deletion protection is enabled for this index</p></html>",
            "403 Deletion protection is enabled for this index",
        ),
    ],
    ids=["storage", "an error page"],
)
def test_a_403_of_pinecone_is_told_in_its_words_and_is_not_the_key(
    function: Function, caplog: pytest.LogCaptureFixture, body: str, words: str
) -> None:
    function.index.faults.always(Fault(status=403, body=body), path=UPSERT)
    assert function.send("one", "two") == [0, 1]
    assert function.upserts() == [403]
    assert {reason for reason, _ in reasons(caplog)} == {"forbidden"}
    assert words in reasons(caplog)[0][1]


def test_a_403_of_openai_is_told_in_its_words(make_function: Make, caplog: pytest.LogCaptureFixture) -> None:
    said = "Project `proj_x` does not have access to model `text-embedding-3-small`"
    with deployed(make_function, rule=lambda *_: refusal(403, said, code="model_not_found")) as (function, server):
        assert function.send("one", "two") == [0, 1]
        assert len(server.requests) == 1
    assert {reason for reason, _ in reasons(caplog)} == {"forbidden"}
    assert said in reasons(caplog)[0][1]


def test_an_index_made_anew_under_a_warm_function_costs_one_upsert(
    function: Function, caplog: pytest.LogCaptureFixture
) -> None:
    assert function.send("warm") == []
    function.index.log.clear()
    function.openai.log.clear()
    before = function.index.spec
    function.index.spec = IndexSpec(dimension=1_536)
    try:
        assert function.send(*TEN) == list(range(10))
        assert function.upserts() == [400]
        assert function.send(*TEN) == list(range(10))
        assert function.upserts() == [400], "the next batch asks before it pays"
        assert len(function.embeddings()) == 1
    finally:
        function.index.spec = before
    assert {reason for reason, _ in reasons(caplog)} == {"configuration"}
    assert function.send(*TEN) == []


def test_the_name_of_an_index_instead_of_its_host_is_nobodys_message(
    make_function: Make, caplog: pytest.LogCaptureFixture
) -> None:
    function = make_function(PINECONE_INDEX_HOST="my-index")
    assert function.send("one", "two") == [0, 1]
    assert {reason for reason, _ in reasons(caplog)} == {"configuration"}
    assert "PINECONE_INDEX_HOST is 'my-index'" in reasons(caplog)[0][1]
