"""Find the cl100k_base vocabulary on this machine, so that tiktoken counts tokens without a download.

Owns the lookup only. The file itself is an asset of the layer `openai-pinecone`, fetched and checked by `layer_builds`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from layer_builds.host.folders import build_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE_NAME = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
"""tiktoken's cache key of cl100k_base: the SHA-1 of its URL."""
SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
"""As in `tiktoken_ext/openai_public.py`."""


def find_vocabulary(folder: Path | None = None) -> Path:
    """The folder to use as TIKTOKEN_CACHE_DIR.

    Args:
        folder: look only here; None means TIKTOKEN_CACHE_DIR, then what the layer builder fetched and built.

    Raises:
        FileNotFoundError: no file of the right name and content; says what fetches it.
    """
    named = os.environ.get("TIKTOKEN_CACHE_DIR")
    for candidate in [folder] if folder is not None else [Path(named)] if named else []:
        if _is_vocabulary(candidate / FILE_NAME):
            return candidate
    kept = build_dir() / "vocabulary"
    if folder is None and (_is_vocabulary(kept / FILE_NAME) or _copied(kept / FILE_NAME)):
        return kept
    raise FileNotFoundError(
        f"no cl100k_base vocabulary ({FILE_NAME}) in {folder or 'TIKTOKEN_CACHE_DIR, nor in .build'}: "
        "`python -m layer_builds build openai-pinecone` fetches it"
    )


def _is_vocabulary(file: Path) -> bool:
    return file.is_file() and _right(file.read_bytes())


def _right(content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == SHA256


def _copied(place: Path) -> bool:
    """Copy it to the name that tiktoken looks for: the asset, or out of a layer that was built when it was there."""
    content = next((content for content in _found() if _right(content)), None)
    if content is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f"{FILE_NAME}.{os.getpid()}")
        part.write_bytes(content)
        part.replace(place)
    return content is not None


def _found() -> Iterator[bytes]:
    asset = build_dir() / "assets" / SHA256
    if asset.is_file():
        yield asset.read_bytes()
    for path in sorted((build_dir() / "layers").glob("*.zip")):
        with contextlib.suppress(OSError, KeyError, zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
            yield archive.read(f"tiktoken/{FILE_NAME}")
