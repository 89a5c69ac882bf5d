"""The exceptions of the layer builder. Their text is for the person who reads it: what is wrong, and what to run."""


class LayerBuildError(Exception):
    """A layer cannot be locked, built, checked or published as it stands.

    The message names the package or file, the rule, and the remedy; there is nothing else to read in the exception.
    """


class OtherBytesError(LayerBuildError):
    """A build came to other bytes than the committed manifest has for its digest."""
