"""A program of this project's own components: one function without layers, which a machine deploys in seconds.

Stands in the place of `__main__.py` in a checkout of the tests.
"""

from __future__ import annotations

from components.function_settings import FunctionSettings
from components.package import Zip
from components.program import deploy
from components.system import System
from tests.engine.small import Small

SYSTEMS = {"one": System(FunctionSettings, Small, package=Zip(()))}


if __name__ == "__main__":
    deploy(SYSTEMS)
