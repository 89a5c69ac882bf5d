"""An account of the local AWS: where it is, and boto3 clients with its root credentials."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config

ACCOUNT = "123456789012"
"""AWS's own example account. Any 12 digits are a root access key of that account to the emulator."""
REGION = "eu-central-1"
SECRET = "unchecked"  # noqa: S105 - checked in what is presigned only
_making = threading.Lock()


@dataclass(frozen=True)
class Account:
    """Root access to one account of an emulator."""

    endpoint: str
    account: str = ACCOUNT
    region: str = REGION

    def client(self, service: str) -> Any:
        """A boto3 client of a service (cached; clients may be shared between threads)."""
        return client(self.endpoint, self.region, service, (self.account, SECRET, None))

    def session(self) -> boto3.Session:
        """A boto3 session; give `endpoint_url=endpoint` to its clients, or set AWS_ENDPOINT_URL."""
        return boto3.Session(aws_access_key_id=self.account, aws_secret_access_key=SECRET, region_name=self.region)

    def environment(self) -> dict[str, str]:
        """Variables with which boto3, the AWS command line or Pulumi use this account."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.account,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
        }


@lru_cache(maxsize=256)
def _client(endpoint: str, region: str, service: str, keys: tuple[str, str, str | None]) -> Any:
    access_key, secret_key, token = keys
    session: Any = boto3.Session(access_key, secret_key, token, region)
    settings = Config(
        connect_timeout=5,
        read_timeout=120,
        max_pool_connections=32,
        retries={"max_attempts": 3, "mode": "standard"},
        s3={"addressing_style": "path"},
        signature_version="s3v4" if service == "s3" else None,
    )
    return session.client(service, endpoint_url=endpoint, config=settings)


def client(endpoint: str, region: str, service: str, keys: tuple[str, str, str | None]) -> Any:
    """A cached client for (access key, secret key, session token). Making clients is not thread-safe; using them is."""
    with _making:
        return _client(endpoint, region, service, keys)
