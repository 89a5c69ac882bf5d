"""Real calls through what this layer promises: a PDF's text, its table, tokens.

Runs with the standard library, this layer, those before it and the runtime's boto3, on the target's CPU, with no
network. The modules that it imports are those shipped with bytecode, so it goes the way the function goes.
"""

from importlib.metadata import version

from layer_builds.smoke_calls.pdf import tables, text, tokens


def smoke() -> dict[str, str]:
    """Make every call; return the versions that answered."""
    for call in (text, tables, tokens):
        call()
    names = ("pdfplumber", "pypdfium2", "tiktoken")
    return {name: version(name) for name in names}
