"""What a program of this project is: settings → systems → outputs, or a refusal of the whole config.

Owns the order, and that nothing is registered before everything is checked. Which systems there are is the caller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from components.house import House
from components.settings import load_settings
from components.stack_config import encrypted_keys, stack_config
from components.system import prepare
from components.validation import SettingsError
from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from components.system import System


def deploy(systems: Mapping[str, System[Any]]) -> None:
    """Deploy what the stack's config names.

    Args:
        systems: All that it may name, by their names.

    Raises:
        pulumi.RunError: Something is wrong, all of it in one message; nothing was registered.
    """
    try:
        models = {name: system.settings for name, system in systems.items()}
        settings = load_settings(
            stack_config(),
            models,
            stack=pulumi.get_stack(),
            project=pulumi.get_project(),
            encrypted=encrypted_keys(),
        )
        register = prepare(systems, settings)
    except (SettingsError, LayerBuildError) as wrong:
        raise pulumi.RunError(str(wrong)) from None

    house = House(settings)
    register(house)
    for name, value in house.exports().items():
        pulumi.export(name, value)
