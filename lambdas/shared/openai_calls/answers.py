"""An answer of the embeddings API, unpacked: a vector for each text that has a usable one.

Owns what makes a vector usable. What is done about the others is `embedder`'s.
"""

from __future__ import annotations

import base64
import math
import sys
from array import array
from typing import TYPE_CHECKING, Any, TypeAlias

from lambdas.shared.json_values import is_list, is_object
from lambdas.shared.work_errors import ConfigurationError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    Vector: TypeAlias = "array[float]"


def unpack(answer: Any, texts: Sequence[str], dimensions: int, vectors: dict[str, Vector]) -> None:
    """Add the usable vectors of an answer.

    Args:
        answer: the parsed body.
        texts: of the request.
        dimensions: the length that a vector has to have.
        vectors: text to (dimensions,) float32, to add to.

    Raises:
        ConfigurationError: vectors have another length, and none of the batch was right so far.
        UnavailableError: the answer is not what the API promises, for all texts or for some.
    """
    embeddings = _by_position(answer, len(texts))
    missing: list[str] = []
    for position, text in enumerate(texts):
        try:
            vectors[text] = _usable(embeddings.get(position), dimensions)
        except _UnusableError as error:
            missing.append(str(error))
    if not missing:
        return
    if not vectors and all(reason.endswith(_instead(dimensions)) for reason in missing):
        raise ConfigurationError(f"OpenAI answered {missing[0]}: is another model behind OPENAI_BASE_URL?")
    raise UnavailableError(
        f"OpenAI answered no usable vector for {len(missing)} of {len(texts)} texts, but {missing[0]}"
    )


class _UnusableError(Exception):
    """What was answered instead of a vector."""


def _instead(dimensions: int) -> str:
    return f"dimensions instead of {dimensions}"


def _by_position(answer: Any, count: int) -> dict[int, Any]:
    """The embeddings by their texts' positions, as far as there are any.

    Raises:
        UnavailableError: it cannot be told which is whose.
    """
    data = answer.get("data") if is_object(answer) else None
    if not is_list(data) or not data:
        raise UnavailableError("OpenAI's answer has no list of embeddings in it")
    found: dict[int, Any] = {}
    for item in data:
        index = item.get("index") if is_object(item) else None
        if type(index) is not int:  # such as null in the middle
            continue
        if index in found or not 0 <= index < count:
            raise UnavailableError(f"OpenAI's answer has index {index} twice, or beyond its {count} texts")
        found[index] = item.get("embedding")
    return found


def _usable(embedding: Any, dimensions: int) -> Vector:
    """A vector that an index can take.

    Raises:
        _UnusableError: it is not one.
    """
    if embedding is None:
        raise _UnusableError("nothing")
    try:
        vector = _decoded(embedding)
    except (TypeError, ValueError, OverflowError):
        raise _UnusableError("what is not a vector") from None
    if not any(vector):
        raise _UnusableError("zeros only")
    if not all(map(math.isfinite, vector)):
        raise _UnusableError("values that are not finite")
    if len(vector) != dimensions:
        raise _UnusableError(f"{len(vector)} {_instead(dimensions)}")
    return vector


def _decoded(embedding: Any) -> Vector:
    """Base64 of little-endian float32; or plain numbers, from a server that does not know base64."""
    vector = array("f")
    if not isinstance(embedding, str):
        vector.extend(embedding)
        return vector
    vector.frombytes(base64.b64decode(embedding, validate=True))
    if sys.byteorder == "big":
        vector.byteswap()
    return vector
