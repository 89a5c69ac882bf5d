"""The smallest system that there can be, for programs that stand in the place of `__main__.py` in a checkout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

if TYPE_CHECKING:
    from components.function_settings import FunctionSettings
    from components.house import House, SystemArgs


class Small(pulumi.ComponentResource):
    """A system of one function and nothing else."""

    def __init__(self, name: str, args: SystemArgs[FunctionSettings], house: House) -> None:
        super().__init__("strata:components:Small", name)
        house.function(name, args, opts=pulumi.ResourceOptions(parent=self))
        self.register_outputs({})
