"""A program of this project's own components: two functions, each with a small layer of its own.

Stands in the place of `__main__.py` in a checkout of the tests: what a change of one layer moves, and what it leaves
alone, needs a second layer and a second function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from components.function_settings import FunctionSettings
from components.package import Zip
from components.program import deploy
from components.system import System

if TYPE_CHECKING:
    from components.house import House, SystemArgs


class Small(pulumi.ComponentResource):
    """A system of one function and nothing else."""

    def __init__(self, name: str, args: SystemArgs[FunctionSettings], house: House) -> None:
        super().__init__("strata:components:Small", name)
        house.function(name, args, opts=pulumi.ResourceOptions(parent=self))
        self.register_outputs({})


SYSTEMS = {name: System(FunctionSettings, Small, package=Zip((f"engine-{name}",))) for name in ("left", "right")}


if __name__ == "__main__":
    deploy(SYSTEMS)
