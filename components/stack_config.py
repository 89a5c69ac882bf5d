"""How Pulumi hands a stack's config to the program: all keys at once, so that a misspelt one can be reported."""

from __future__ import annotations

from pulumi.runtime import config


def stack_config() -> dict[str, str]:
    """Return every key of the stack's config, with its namespace."""
    return dict(config.CONFIG.get())


def encrypted_keys() -> set[str]:
    """Return the keys that hold an encrypted value."""
    return {key for key in config.CONFIG.get() if config.is_config_secret(key)}
