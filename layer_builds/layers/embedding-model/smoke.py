"""The model of this layer embeds a text, with the packages of the layer before it.

Runs with the standard library, both layers and the runtime's packages, on the target's CPU, with no network.
"""

# ruff: noqa: PLR2004, S101 - an assertion is the verdict

import json
from pathlib import Path


def smoke() -> dict[str, str]:
    """Embed two texts that mean the same and one that does not; return which model it was."""
    import numpy as np
    import onnxruntime
    from tokenizers import Tokenizer

    folder = Path("/opt/model")
    if not folder.is_dir():  # the layer is unpacked elsewhere while it is built
        import sys

        folder = next(Path(path).parent / "model" for path in sys.path if (Path(path).parent / "model").is_dir())
    card = json.loads((folder / "model_card.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])

    def vector(text: str) -> np.ndarray:
        ids = np.array([tokenizer.encode(text).ids], np.int64)
        (found,) = session.run(["sentence_embedding"], {"input_ids": ids})
        return np.asarray(found)[0]

    cat, kitten, invoice = map(
        vector, ("A cat sits on the mat.", "A kitten is sitting on a rug.", "The invoice is due.")
    )
    assert len(cat) == 384
    assert abs(float(np.linalg.norm(cat)) - 1) < 1e-5
    assert cat @ kitten > 0.5 > cat @ invoice, (cat @ kitten, cat @ invoice)
    return {"model": card["name"], "quantization": card["quantization"]}
