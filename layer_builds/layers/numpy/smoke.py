"""Real calls through what this layer promises: vectors from bytes, their cosines, and BLAS below them.

Runs with the standard library, this layer, those before it and the runtime's boto3, on the target's CPU, with no
network. The modules that it imports are those shipped with bytecode, so it goes the way the function goes.
"""

# ruff: noqa: PLR2004, S101 - every call imports what it tries, and an assertion is its verdict

import base64
import struct
from importlib.metadata import version


def vectors() -> None:
    """What OpenAI sends, base64 of little-endian float32, becomes vectors; the nearest is found by its cosine."""
    import numpy as np

    sent = [base64.b64encode(struct.pack("<3f", *values)) for values in ((1, 0, 0), (0.6, 0.8, 0), (0, 0, 2))]
    rows = np.stack([np.frombuffer(base64.b64decode(one), dtype="<f4") for one in sent])
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = units @ units[0]
    assert np.allclose(cosines, [1, 0.6, 0])
    assert np.argsort(-cosines).tolist() == [0, 1, 2]
    assert rows[1].tolist() == [float(np.float32(0.6)), float(np.float32(0.8)), 0.0]


def clients() -> None:
    """The client of ai-vectordb finds numpy, and decodes with it."""
    from openai._extras import has_numpy

    assert has_numpy()


def algebra() -> None:
    """BLAS answers: a product large enough to go through it."""
    import numpy as np

    square = np.arange(10_000, dtype=np.float32).reshape(100, 100) / 10_000
    assert abs(float((square @ square.T).trace()) - float((square**2).sum())) < 1e-3


def smoke() -> dict[str, str]:
    """Make every call; return the versions that answered."""
    for call in (vectors, clients, algebra):
        call()
    return {"numpy": version("numpy")}
