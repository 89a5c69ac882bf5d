"""What the component tests share: the harness, a layer of their own, and a function to attach triggers to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness import Build
from tests.layers import FixtureLayers

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def build() -> Build:
    return Build()


@pytest.fixture
def layers(tmp_path: Path) -> FixtureLayers:
    return FixtureLayers(tmp_path / "layers")
