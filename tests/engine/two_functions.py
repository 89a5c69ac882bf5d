"""A program of this project's own components: two functions, each with a small layer of its own.

Stands in the place of `__main__.py` in a checkout of the tests: what a change of one layer moves, and what it leaves
alone, needs a second layer and a second function.
"""

from __future__ import annotations

import pulumi

from components.code import code_package
from components.foundation import Foundation
from components.function import LambdaFunction, LambdaFunctionArgs
from components.settings import load_settings
from components.stack_config import stack_config
from components.validation import SettingsError
from layer_builds import LayerBuildError, check_function_budget, load_layer

NAMES = ("left", "right")


def functions(foundation: Foundation) -> dict[str, LambdaFunction]:
    """Both functions."""
    settings = foundation.settings.embedding
    assert settings is not None
    code = code_package("embedding")
    layers = {name: load_layer(f"engine-{name}") for name in NAMES}
    for name, layer in layers.items():
        check_function_budget(name, code.bytes, [layer], settings.target)
    return {
        name: LambdaFunction(
            name,
            LambdaFunctionArgs(
                code=code,
                handler="lambdas.embedding.handler.handler",
                target=settings.target,
                layers=[foundation.layer(layer, settings.target)],
                memory_mb=settings.memory_mb,
                timeout_seconds=settings.timeout_seconds,
                log_retention_days=1,
            ),
        )
        for name, layer in layers.items()
    }


def main() -> None:
    """As the real program: everything is checked first."""
    try:
        foundation = Foundation(load_settings(stack_config(), stack=pulumi.get_stack()))
        made = functions(foundation)
    except (SettingsError, LayerBuildError) as wrong:
        raise pulumi.RunError(str(wrong)) from None
    for name, value in foundation.exports().items():
        pulumi.export(name, value)
    pulumi.export("functions", {name: function.exports() for name, function in made.items()})


if __name__ == "__main__":
    main()
