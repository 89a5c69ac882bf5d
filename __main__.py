"""The Pulumi program: settings → systems → outputs. Everything else is in `components/`."""

from __future__ import annotations

import pulumi

from components.foundation import Foundation
from components.settings import load_settings
from components.stack_config import encrypted_keys, stack_config
from components.systems.registry import SYSTEMS
from components.validation import SettingsError
from layer_builds import LayerBuildError


def main() -> None:
    """Deploy what the stack's config names; refuse it whole, before anything is registered, when something is wrong."""
    try:
        settings = load_settings(stack_config(), stack=pulumi.get_stack(), encrypted=encrypted_keys())
        systems = {name: SYSTEMS[name].prepare(name, section) for name, section in settings.systems.items()}
    except (SettingsError, LayerBuildError) as wrong:
        raise pulumi.RunError(str(wrong)) from None

    foundation = Foundation(settings)
    functions = {name: register(foundation) for name, register in systems.items()}

    for name, value in foundation.exports().items():
        pulumi.export(name, value)
    pulumi.export("functions", functions)


if __name__ == "__main__":
    main()
