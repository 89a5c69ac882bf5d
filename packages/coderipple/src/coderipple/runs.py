"""How many runs a repository has had today, and how many tokens a run has used, however often its message comes.

Owns the items of RUNS_TABLE: the pushes of a UTC day, as a set of short hashes, because branches have long names and an
item 400 KB; and the tokens of each run.
"""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from coderipple.errors import RetryLaterError
from lambdas.orchestrator.contract import KEPT_SECONDS, TABLE_KEY, TABLE_TTL

if TYPE_CHECKING:
    from coderipple.config import Config


def count_run(client: Any, config: Config, repository: str, push: str) -> bool:
    """Count a run; whether it is within the day's limit.

    Args:
        client: boto3's, for DynamoDB.
        config: the table and the limit.
        repository: owner/name.
        push: what identifies it.
    """
    push = _short(push)
    today = datetime.now(UTC).date().isoformat()
    try:
        client.update_item(
            TableName=config.runs_table,
            Key={TABLE_KEY: {"S": f"{repository.lower()}#{today}"}},
            UpdateExpression="ADD #pushes :push SET #ends = :ends",
            ConditionExpression="attribute_not_exists(#pushes) OR contains(#pushes, :one) OR size(#pushes) < :limit",
            ExpressionAttributeNames={"#pushes": "pushes", "#ends": TABLE_TTL},
            ExpressionAttributeValues={
                ":push": {"SS": [push]},
                ":one": {"S": push},
                ":limit": {"N": str(config.daily_runs)},
                ":ends": {"N": str(int(time.time()) + KEPT_SECONDS)},
            },
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return False
        raise
    return True


def count_spent(client: Any, config: Config, run: str, tokens: int) -> int:
    """Add tokens to what a run has used; all that it has used.

    Args:
        client: boto3's, for DynamoDB.
        config: the table.
        run: what identifies it: the same for each delivery.
        tokens: used now.

    Raises:
        RetryLaterError: the table does not answer.
    """
    try:
        answer = client.update_item(
            TableName=config.runs_table,
            Key={TABLE_KEY: {"S": f"tokens#{_short(run)}"}},
            UpdateExpression="ADD #tokens :tokens SET #ends = :ends",
            ExpressionAttributeNames={"#tokens": "tokens", "#ends": TABLE_TTL},
            ExpressionAttributeValues={
                ":tokens": {"N": str(tokens)},
                ":ends": {"N": str(int(time.time()) + KEPT_SECONDS)},
            },
            ReturnValues="ALL_NEW",
        )
    except (BotoCoreError, ClientError) as error:
        raise RetryLaterError(f"the table {config.runs_table} does not answer ({type(error).__name__})") from None
    return int(answer["Attributes"]["tokens"]["N"])


def _short(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:24]
