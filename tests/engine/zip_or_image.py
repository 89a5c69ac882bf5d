"""A program of this project's own components: one function behind a queue, shipped as its config says.

Stands in the place of `__main__.py` in a checkout of the tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pulumi

from components.fields import key
from components.function_settings import FunctionSettings
from components.package import Image, Zip
from components.program import deploy
from components.queue_trigger import QueueKeys, QueueTrigger, QueueTriggerArgs
from components.system import System

if TYPE_CHECKING:
    from components.house import House, SystemArgs


class ShippedSettings(FunctionSettings):
    """A function behind a queue."""

    package: Literal["zip", "image"] = key("What it is shipped as.", default="zip")
    queue: QueueKeys = key("The queue.", default=QueueKeys)


class Shipped(pulumi.ComponentResource):
    """SQS → function."""

    def __init__(self, name: str, args: SystemArgs[ShippedSettings], house: House) -> None:
        super().__init__("strata:components:Shipped", name)
        child = pulumi.ResourceOptions(parent=self)
        function = house.function(name, args, opts=child)
        QueueTrigger(name, QueueTriggerArgs(function=function, keys=args.settings.queue), child)
        self.register_outputs({})


def shipped_as(settings: ShippedSettings) -> Zip | Image:
    """Return the package."""
    return Image(()) if settings.package == "image" else Zip(())


SYSTEMS = {"shipped": System(ShippedSettings, Shipped, package=shipped_as)}


if __name__ == "__main__":
    deploy(SYSTEMS)
