"""The one exception of the layer builder. Its text is for the person who reads it: what is wrong, and what to run."""

from __future__ import annotations


class LayerBuildError(Exception):
    """A layer cannot be locked, built, checked or published as it stands.

    The message names the package or file, the rule, and the way out; there is nothing else to read in the exception.
    """
