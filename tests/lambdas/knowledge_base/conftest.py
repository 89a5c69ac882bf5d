"""Fixtures of knowledge_base's tests. A world has its own tables, bucket and queue; what is in it is `world.py`'s."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lambdas.knowledge_base.world import world_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.account import Account
    from tests.lambdas.knowledge_base.world import SignedIn, World


@pytest.fixture(scope="module")
def shared_world(account: Account) -> Iterator[World]:
    """One world for all tests of a file that do not mind each other: users are apart anyway."""
    with pytest.MonkeyPatch.context() as patch, world_of(account, patch.setenv) as made:
        yield made


@pytest.fixture
def world(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world for one test."""
    with world_of(account, monkeypatch.setenv) as made:
        yield made


@pytest.fixture
def user(shared_world: World) -> SignedIn:
    """A new user of the file's world, signed in."""
    return shared_world.user()
