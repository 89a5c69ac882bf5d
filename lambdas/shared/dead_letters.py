"""Events that no retry can help, put into the dead-letter queue at once.

Owns their form, which is the one that Lambda writes once its retries are used up, so the same tools read both.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext


def failed_event(event: Mapping[str, Any], error: str, message: str, context: LambdaContext) -> str:
    """A failed event as Lambda writes it.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html

    Args:
        event: what the function was invoked with, or the part of it that failed, in the same form.
        error: the kind of failure.
        message: what happened.
        context: of the invocation.
    """
    return json.dumps(
        {
            "version": "1.0",
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
            "requestContext": {
                "requestId": context.aws_request_id,
                "functionArn": context.invoked_function_arn,
                "condition": "NotRetriable",
                "approximateInvokeCount": 1,
            },
            "requestPayload": dict(event),
            "responsePayload": {"errorType": error, "errorMessage": message},
        }
    )
