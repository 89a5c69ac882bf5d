"""Real calls through what this layer promises: a graph run, a text tokenized, a function of a database called, logs.

Runs with the standard library, this layer and the runtime's boto3, on the target's CPU, with no network. The modules
that it imports are those shipped with bytecode, so it goes the way the function goes, errors and all.
"""

# ruff: noqa: S101 - every call imports what it tries, and an assertion is its verdict

import base64
import json
from importlib.metadata import version

from layer_builds.smoke_calls.rows import clients, database, event

GRAPH = base64.b64decode(
    "CAo6iAIKcwoBeAoBYgoBcxIBeSILTWF0TXVsTkJpdHMqCAoBSxggoAECKggKAU4YAqABAioVCg5hY2N1cmFjeV9sZXZlbBgEoAECKgsKBGJpdH"
    "MYCKABAioRCgpibG9ja19zaXplGCCgAQI6DWNvbS5taWNyb3NvZnQSAWcqTQgCCAEIIBACQgFiSkD/////////////////////////////////"
    "/////////wEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBKhMIAggBEAFCAXNKCAQCATwEAgE8WhQKAXgSDwoNCAESCQoDEgFuCgIIIG"
    "IUCgF5Eg8KDQgBEgkKAxIBbgoCCAJCBAoAEBFCEQoNY29tLm1pY3Jvc29mdBAB"
)
"""8-bit weights times a vector: what the models' graphs are made of."""
TOKENIZER = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    },
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": None,
    "decoder": None,
    "model": {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": {"[UNK]": 0, "layer": 1, "##s": 2, "!": 3},
    },
}


def model() -> None:
    """ONNX Runtime multiplies by 8-bit weights."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 22):  # the one for python3.11 has no such product
        assert onnxruntime.get_available_providers()
        return
    session = onnxruntime.InferenceSession(GRAPH, options, providers=["CPUExecutionProvider"])
    found = np.asarray(session.run(None, {"x": np.ones((1, 32), np.float32)})[0])
    assert np.allclose(found, [[32.0, -32.0]], atol=0.3), found
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    assert lengths.shape == (1, 1)


def tokens() -> None:
    """A tokenizer is read from its file, and loses no text."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(json.dumps(TOKENIZER))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    (encoding,) = tokenizer.encode_batch_fast(["Layers!"])
    assert encoding.ids == [1, 2, 3], encoding.ids


def smoke() -> dict[str, str]:
    """Make every call; return the versions that answered."""
    for call in (model, tokens, database, event, clients):
        call()
    names = ("onnxruntime", "numpy", "tokenizers", "supabase", "aws-lambda-powertools", "pydantic")
    return {name: version(name) for name in names}
