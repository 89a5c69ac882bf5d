"""A program of this project's own components: two functions, each with a small layer of its own.

Stands in the place of `__main__.py` in a checkout of the tests: what a change of one layer moves, and what it leaves
alone, needs a second layer and a second function.
"""

from __future__ import annotations

from components.function_settings import FunctionSettings
from components.package import Zip
from components.program import deploy
from components.system import System
from tests.engine.small import Small

SYSTEMS = {name: System(FunctionSettings, Small, package=Zip((f"engine-{name}",))) for name in ("left", "right")}


if __name__ == "__main__":
    deploy(SYSTEMS)
