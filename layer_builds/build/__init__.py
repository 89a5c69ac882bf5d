"""From a lock to a checked archive."""
