"""Find the cl100k_base vocabulary on this machine, so that tiktoken counts tokens without a download.

Owns the lookup only. The file itself is an asset of the layer `openai-pinecone`, fetched and checked by `layer_builds`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

FILE_NAME = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
"""tiktoken's cache key of cl100k_base: the SHA-1 of its URL."""
SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
"""As in `tiktoken_ext/openai_public.py`."""
ASSETS = Path(__file__).resolve().parent.parent / ".build" / "assets"
"""Where the layer builder keeps what it fetched, each file under its SHA-256."""


def find_vocabulary(folder: Path | None = None) -> Path:
    """The folder to use as TIKTOKEN_CACHE_DIR.

    Args:
        folder: look only here; None means TIKTOKEN_CACHE_DIR, then what the layer builder fetched.

    Raises:
        FileNotFoundError: no file of the right name and content; says what fetches it.
    """
    named = os.environ.get("TIKTOKEN_CACHE_DIR")
    for candidate in [folder] if folder is not None else [Path(named)] if named else []:
        if _is_vocabulary(candidate / FILE_NAME):
            return candidate
    if folder is None and _is_vocabulary(ASSETS / SHA256):
        return _named_copy(ASSETS / SHA256, ASSETS.parent / "vocabulary")
    raise FileNotFoundError(
        f"no cl100k_base vocabulary ({FILE_NAME}) in {folder or 'TIKTOKEN_CACHE_DIR, nor in .build/assets'}: "
        "`python -m layer_builds build openai-pinecone` fetches it"
    )


def _is_vocabulary(file: Path) -> bool:
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == SHA256


def _named_copy(asset: Path, folder: Path) -> Path:
    """The builder keeps assets under their hash; tiktoken looks for its own name."""
    if not _is_vocabulary(folder / FILE_NAME):
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{FILE_NAME}.{os.getpid()}"
        shutil.copyfile(asset, part)
        part.replace(folder / FILE_NAME)
    return folder
