"""A program of this project's own components: one function without layers, which a machine deploys in seconds.

Stands in the place of `__main__.py` in a checkout of the tests.
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


SYSTEMS = {"one": System(FunctionSettings, Small, package=Zip(()))}


if __name__ == "__main__":
    deploy(SYSTEMS)
