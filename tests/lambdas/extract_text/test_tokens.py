"""The tokenizer's vocabulary: read at once, and tiktoken's own all the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tiktoken
from tiktoken_ext import openai_public

from lambdas.shared.contract import DEFAULT_ENCODING, ENCODINGS
from lambdas.shared.tokens import Tokenizer, VocabularyError, _read_at_once


def test_what_is_read_at_once_is_what_tiktoken_reads(vocabulary_folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", vocabulary_folder)
    define = openai_public.ENCODING_CONSTRUCTORS[DEFAULT_ENCODING]  # past tiktoken's cache of encodings
    own = openai_public.load_tiktoken_bpe
    with _read_at_once(Path(vocabulary_folder) / ENCODINGS[DEFAULT_ENCODING]):
        ours = define()
    assert openai_public.load_tiktoken_bpe is own
    assert ours == define()


def test_a_damaged_vocabulary_is_said_so_and_not_used(
    vocabulary_folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ENCODINGS[DEFAULT_ENCODING]
    shutil.copy(Path(vocabulary_folder) / file, tmp_path)
    with (tmp_path / file).open("ab") as damaged:
        damaged.write(b"\nAA== 1")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})
    with pytest.raises(VocabularyError, match="is not the vocabulary that tiktoken knows"):
        Tokenizer(DEFAULT_ENCODING)
