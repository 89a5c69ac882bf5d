"""The rows of a key in Supabase: the calls of the migration's functions, through Supabase's own client.

Owns the client, what is tried again, the key's renewal and the meaning of errors. What is called, and in which order,
is `contract`'s; which rows there are is `documents`'s."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import httpx
from postgrest import APIError
from supabase import Client, ClientOptions, create_client

from lambdas.embedding_processor import contract
from lambdas.embedding_processor.errors import (
    ConfigurationError,
    KeyRefusedError,
    OutOfTimeError,
    ProcessorError,
    UnavailableError,
)
from lambdas.embedding_processor.supabase_config import parsed
from lambdas.shared.attempts import Failure, NoTimeLeftError, Policy, attempt
from lambdas.shared.json_values import is_object
from lambdas.shared.quotes import quotable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambdas.shared.deadline import Deadline
    from lambdas.shared.secret import Secret

Row = dict[str, Any]
"""One row: `contract.ROW_FIELDS`."""

POLICY: Final = Policy(retries=6, first_wait_seconds=0.5, max_wait_seconds=10.0, try_seconds=30.0)
"""Waits 20 s or more in all: a database that restarts is there again."""
REPLACING: Final = replace(POLICY, try_seconds=125.0)
"""The database gives a replacement 120 s: thousands of rows take time to get into the index."""
CONNECT_SECONDS: Final = 5.0
MIGRATE: Final = "apply the migration: `python -m ops supabase apply`"
MISSING: Final = frozenset({"PGRST202", "PGRST204", "PGRST205", "42P01", "42703", "42883"})
"""No such function, table or column: the API has not seen it, or the database has none."""
GATEWAY: Final = {
    **dict.fromkeys((301, 302, 307, 308, 404), "no project answers there: check `url` in the parameter"),
    403: "a firewall before the project refused the request: one of its rules may match the text",
    413: "the request is too large for what is before the project: with POOLING=document a long text is one row",
}
"""What an answer means that is not PostgREST's, by its status."""
STATES: Final = {contract.BEGIN: ("outdated", "done", "open"), contract.REPLACE: ("replaced", "outdated")}
COUNTS: Final = {contract.BEGIN: ("staged",), contract.REPLACE: ("written", "removed")}
DATA: Final = frozenset({"22000", "22003", "22023", "22P02", "22P05", "PGRST102"})
"""Values that a column does not take, such as a vector of another length, or numbers beyond half precision."""


class Database:
    """One Supabase project."""

    def __init__(self, secret: Secret) -> None:
        """Remember where the configuration is; it is read, and the client made, at the first call."""
        self._secret = secret
        self._client: tuple[str, Client, httpx.Client] | None = None
        self._answer: httpx.Response | None = None
        self._dimension: int | None = None

    def check_dimension(self, expected: int, model: str, deadline: Deadline) -> None:
        """Compare the model's dimension with the table's, until they agreed once.

        Raises:
            ConfigurationError: they differ, or the migration is missing.
            ProcessorError: the database did not say.
        """
        if self._dimension == expected:
            return
        found = self._call(contract.DIMENSION, {}, deadline)
        if found != expected:
            raise ConfigurationError(
                f"{model} makes vectors of {expected} dimensions, and {contract.TABLE} holds {found}: deploy the model "
                "that the table was made for, or make a new table: `python -m ops supabase migration "
                f"--dimension {expected}`, and apply it"
            )
        self._dimension = expected

    def begin(self, key: str, sequencer: str, generation: str, deadline: Deadline) -> Mapping[str, Any]:
        """Ask what is known of a key: `{"state": "outdated" | "done" | "open", "staged": n}`."""
        return self._call(contract.BEGIN, _about(key, sequencer, generation), deadline)

    def stage(self, key: str, generation: str, rows: Sequence[Row], deadline: Deadline) -> int:
        """Keep rows of a long document until it is done; returns how many are kept now."""
        arguments = {"source_key": key, "source_generation": generation, "rows": list(rows)}
        return self._call(contract.STAGE, arguments, deadline)

    def replace(
        self, key: str, sequencer: str, generation: str, rows: Sequence[Row], deadline: Deadline
    ) -> Mapping[str, Any]:
        """Make these and the staged rows all of a key's: `{"state": "replaced" | "outdated", "written", "removed"}`."""
        arguments = {**_about(key, sequencer, generation), "rows": list(rows)}
        return self._call(contract.REPLACE, arguments, deadline, REPLACING)

    def forget(self) -> None:
        """Close connections and forget what was learnt: another environment goes on from here."""
        if self._client is not None:
            self._client[2].close()
        self._client = self._dimension = None

    def _call(self, function: str, arguments: Mapping[str, Any], deadline: Deadline, policy: Policy = POLICY) -> Any:
        """Call a function of the database; a refused key is read again, and when it has changed the call is made again.

        Raises:
            ConfigurationError: something is to be changed before it can succeed.
            KeyRefusedError: the key is not accepted.
            UnavailableError: no usable answer in all attempts.
            OutOfTimeError: the deadline came first.
            SecretError: there is no configuration.
        """

        def request() -> Any:
            client, connection = self._connected()

            def work(seconds: float) -> Any:
                self._answer = None
                connection.timeout = httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds))
                return _checked(function, client.rpc(function, dict(arguments)).execute().data)

            return attempt(work, lambda error: self._explained(error, function, arguments), policy, deadline)

        try:
            return self._secret.renewing(request, (KeyRefusedError,))
        except NoTimeLeftError:
            raise OutOfTimeError("no time was left for an answer of Supabase") from None

    def _connected(self) -> tuple[Client, httpx.Client]:
        # The client takes its key once. The secret's own cache decides when it is read again.
        stored = self._secret.value()
        if self._client is None or self._client[0] != stored:
            self.forget()
            config = parsed(stored)
            connection = httpx.Client(event_hooks={"response": [self._remember]})
            options = ClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=connection)
            self._client = (stored, create_client(config.url, config.key, options), connection)
        return self._client[1], self._client[2]

    def _remember(self, answer: httpx.Response) -> None:
        """Keep an answer's status and headers, of which the client's errors have neither."""
        self._answer = answer

    def _explained(self, error: Exception, function: str, arguments: Mapping[str, Any]) -> Failure | None:
        """What a failed call means."""
        if isinstance(error, APIError):
            status: int | None = None
            headers: Mapping[str, str] = {}
            if self._answer is not None:
                status, headers = self._answer.status_code, self._answer.headers
            return Failure(_meaning(error, status, function, arguments), status, headers)
        if isinstance(error, httpx.HTTPError):  # timeouts and dropped connections; a call made twice is the same call
            return Failure(UnavailableError(f"Supabase: {type(error).__name__}"))
        if isinstance(error, ValueError):  # an answer of something before it: not JSON, or of another shape
            return Failure(
                UnavailableError(f"Supabase's answer to {function} could not be read: {type(error).__name__}")
            )
        return None


def _checked(function: str, answer: Any) -> Any:
    """A function's answer, when it is one: whatever else is between may answer 200 as well.

    Raises:
        ValueError: it is not what the function returns.
    """
    counts: list[Any] = [answer]
    if function in STATES:
        told: dict[str, Any] = answer if is_object(answer) else {}
        counts = [told.get(name) for name in COUNTS[function]] if told.get("state") in STATES[function] else [None]
    if not all(isinstance(count, int) for count in counts):
        raise ValueError(f"{function} answers otherwise")
    return answer


def _about(key: str, sequencer: str, generation: str) -> dict[str, Any]:
    return {"source_key": key, "event_sequencer": sequencer, "source_generation": generation}


def _meaning(error: APIError, status: int | None, function: str, arguments: Mapping[str, Any]) -> ProcessorError:
    code = str(error.code or "")
    sent = [row["content"] for row in arguments.get("rows", ())]
    said = f"Supabase answered {status or 'with an error'} to {function} ({code}): {quotable(str(error.message), sent)}"
    if code == str(status) and status in GATEWAY:  # the client's own error for what is not JSON
        return ConfigurationError(f"{said}. {GATEWAY[status]}")
    if code in MISSING or status == int(httpx.codes.NOT_FOUND):
        return ConfigurationError(f"{said}. {MIGRATE[:1].upper()}{MIGRATE[1:]}")
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        return KeyRefusedError(
            f"Supabase refused the key ({status}, {code}): store the project's secret key, or its service_role "
            "key, in the parameter"
        )
    if code in DATA or status in {httpx.codes.BAD_REQUEST, httpx.codes.REQUEST_ENTITY_TOO_LARGE}:
        return ConfigurationError(said)
    return UnavailableError(said)
