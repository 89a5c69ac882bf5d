"""The function as it would be without batching: one embeddings call and one upsert for each message.

Deployed by `benchmarks.load` beside the function's own code, on the same host; not part of the function.
"""

from __future__ import annotations

from typing import Any

from lambdas.embedding import handler as batched


def handler(event: dict[str, Any], context: Any) -> Any:
    """Hand the batch's messages on one by one."""
    failed: list[Any] = []
    for record in event["Records"]:
        answer: Any = batched.handler({"Records": [record]}, context)
        failed += answer["batchItemFailures"]
    return {"batchItemFailures": failed}
