"""Why a message fails, beside what may go wrong with any work (`lambdas.shared.work_errors`)."""

from __future__ import annotations

from lambdas.shared.work_errors import WorkError


class RejectedMessageError(WorkError):
    """This one message can never succeed as it is: it goes to the dead-letter queue."""

    reason = "rejected"
