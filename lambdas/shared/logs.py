"""A function's log: Powertools' JSON for the function's own lines, and warnings only from everything else.

Owns what libraries may say. Their lower levels hold what must not be in a log: botocore's DEBUG the body of
GetSecretValue, HTTP clients' INFO the ids in every address. A function's level is its own lines' level: Lambda gives it
to the root logger, and so to every library, too.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from aws_lambda_powertools import Logger

LIBRARIES = (
    "aws_lambda_powertools",
    "aws_xray_sdk",
    "asyncio",
    "authlib",
    "boto3",
    "botocore",
    "fastapi",
    "grpc",
    "h11",
    "hpack",
    "httpcore",
    "httpcore2",
    "httpx",
    "httpx2",
    "mangum",
    "openai",
    "pdfminer",
    "pinecone",
    "python_multipart",
    "s3transfer",
    "urllib3",
    "weaviate-client",
)
"""Loggers that exist when a library is first used, or set their own level by an environment variable."""
LEAST_LEVEL = logging.WARNING


def function_logger() -> Logger:
    """The function's own logger, with all others held. Make it once, after the imports of the function's module."""
    logger = Logger(json_serializer=_line)
    hold_libraries(logger.service)
    return logger


def _line(entry: dict[str, Any]) -> str:
    """An entry as JSON. Half of a surrogate pair, which input can hold and no stream takes, is written as an escape."""
    text = json.dumps(entry, default=str, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()


def hold_libraries(own: str) -> None:
    """Hold every logger but the function's own at warnings, whatever the root logger's level is or becomes.

    Args:
        own: the name of the function's logger.
    """
    logging.root.setLevel(max(logging.root.level, LEAST_LEVEL))
    known = logging.root.manager.loggerDict
    # A logger without a level takes its parent's, so those at the top get one; the others keep what is high enough.
    top = {name.partition(".")[0] for name in known}
    below = {name for name in known if logging.getLogger(name).level}
    for name in {*LIBRARIES, *top, *below}:
        if name.partition(".")[0] != own:
            logging.getLogger(name).setLevel(max(logging.getLogger(name).level, LEAST_LEVEL))
