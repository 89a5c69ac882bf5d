"""The image processor in this process: real files in, real answers out."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from lambdas.image_processor import handler
from tests.lambdas.conftest import Context

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = dict[str, Any]


def invoke(event: Any, seconds: float = 60.0) -> Answer:
    """The handler's answer."""
    return dict(handler.handler(event, Context(seconds)))  # type: ignore[arg-type]  # what is used of a context


def ask(data: bytes, operation: str = "extract_images", seconds: float = 60.0, **request: Any) -> Answer:
    """The answer for a file."""
    encoded = base64.b64encode(data).decode()
    return invoke({"operation": operation, "file_bytes_base64": encoded, **request}, seconds)


def pixels(image: Answer) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The samples of an image of an answer, decoded by another library: height, width, channels."""
    with Image.open(io.BytesIO(base64.b64decode(image["data_base64"]))) as opened:
        assert opened.format == image["format"].upper()
        found = np.array(opened)
    return found.reshape(image["height"], image["width"], -1)


def only(answer: Answer) -> Answer:
    """The one image of an answer."""
    assert answer["status"] == "ok", answer
    assert answer["skipped"] == []
    assert len(answer["images"]) == 1
    return answer["images"][0]


def shown(data: bytes) -> list[Any]:
    """The samples of a file's one image."""
    return pixels(only(ask(data))).tolist()


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the function's variables."""

    def change(**variables: int) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))

    return change
