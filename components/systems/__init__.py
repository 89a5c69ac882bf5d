"""One file per system: it composes a function, its layers, its secrets and its trigger."""
