"""Credentials of execution roles, by STS AssumeRole, renewed before they end."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.account import client

if TYPE_CHECKING:
    from sandbox.account import Account

MARGIN = timedelta(minutes=10)
"""Credentials with less than this left are not given to a process; longer than half their life is never asked."""


@dataclass(frozen=True, slots=True)
class RoleKeys:
    """Temporary credentials of a role. Never printed."""

    access_key: str
    secret_key: str
    token: str
    expires: datetime

    def fresh(self, lifetime: timedelta) -> bool:
        """Whether a process may still be given these."""
        return self.expires - datetime.now(UTC) > min(MARGIN, lifetime / 2)

    def __repr__(self) -> str:
        return f"RoleKeys({self.access_key}, until {self.expires:%H:%M:%S})"


class Roles:
    """One set of credentials per role, shared by its processes; safe from several threads."""

    def __init__(self, account: Account, lifetime: timedelta = timedelta(hours=1)) -> None:
        self._account = account
        self._lifetime = lifetime
        self._keys: dict[str, RoleKeys] = {}
        self._lock = threading.Lock()

    def keys(self, role: str) -> RoleKeys:
        """Credentials of a role that last at least some minutes more."""
        with self._lock:
            known = self._keys.get(role)
            if known is not None and known.fresh(self._lifetime):
                return known
            answer = self._account.client("sts").assume_role(
                RoleArn=role, RoleSessionName="lambda", DurationSeconds=int(self._lifetime.total_seconds())
            )["Credentials"]
            keys = RoleKeys(
                answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"], answer["Expiration"]
            )
            self._keys[role] = keys
            return keys

    def fresh(self, keys: RoleKeys) -> bool:
        """Whether a process that was started with these may take another invocation."""
        return keys.fresh(self._lifetime)

    def client(self, role: str, service: str) -> Any:
        """A boto3 client that may do what the role may."""
        keys = self.keys(role)
        return client(
            self._account.endpoint, self._account.region, service, (keys.access_key, keys.secret_key, keys.token)
        )
