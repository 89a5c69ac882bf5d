"""How many runs a repository has had today: counted once for each push, however often its message comes.

Owns the item of RUNS_TABLE: the pushes of a UTC day, as a set.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

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
