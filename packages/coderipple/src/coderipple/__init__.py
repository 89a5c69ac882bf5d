"""CodeRipple: agents propose documentation for what was pushed to GitHub; a publisher outside them decides."""

__version__ = "1.0.0"
