"""What is done once although it may be asked for often: a delivery, and an agent's work for a push.

Owns the keys; Powertools' idempotency does the rest, in IDEMPOTENCY_TABLE. What fails leaves no record, so it is done
again; what is being done elsewhere is left to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyInconsistentStateError,
    IdempotencyPersistenceLayerError,
)

from coderipple.errors import RetryLaterError
from lambdas.orchestrator.contract import KEPT_SECONDS, TABLE_KEY, TABLE_TTL

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext

BUSY: Final = (IdempotencyAlreadyInProgressError, IdempotencyInconsistentStateError)


def once(
    client: Any,
    table: str,
    key: tuple[str, str],
    context: LambdaContext,
    work: Callable[[], dict[str, Any]],
) -> dict[str, Any]:
    """Do something, or return what it returned when it was done.

    Args:
        client: boto3's, for DynamoDB.
        table: of the records.
        key: what kind of thing is done, and which one.
        context: of the invocation: a record of work that was cut off ends when the invocation does.
        work: what is done.

    Raises:
        RetryLaterError: it is being done elsewhere, or the table does not answer.
    """
    store = DynamoDBPersistenceLayer(table_name=table, key_attr=TABLE_KEY, expiry_attr=TABLE_TTL, boto3_client=client)
    settings = IdempotencyConfig(expires_after_seconds=KEPT_SECONDS, hash_function="sha256", lambda_context=context)

    def keyed(*, key: str) -> dict[str, Any]:  # noqa: ARG001 - what Powertools looks at
        return work()

    try:
        return idempotent_function(
            keyed, data_keyword_argument="key", config=settings, persistence_store=store, key_prefix=key[0]
        )(key=key[1])
    except BUSY:
        raise RetryLaterError(f"{key[0]} {key[1]} is being done") from None
    except IdempotencyPersistenceLayerError as error:
        raise RetryLaterError(f"the table {table} does not answer ({type(error.__cause__).__name__})") from None
