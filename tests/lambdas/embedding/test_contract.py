"""What the program's page and the function share: enough for both, and free of what only one of them has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from lambdas.embedding import contract
from lambdas.embedding.settings import Settings
from lambdas.shared.openai_calls.contract import openai_seconds

REPOSITORY = Path(__file__).parents[3]


def test_the_contract_needs_the_standard_library_only() -> None:
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); "]
    command[-1] += "import lambdas.embedding.contract"
    subprocess.run(command, check=True, timeout=30)


def test_the_settings_read_each_variable_of_the_contract() -> None:
    names = {name for name in vars(contract) if getattr(contract, name) == name}
    secrets = {contract.OPENAI_API_KEY, contract.PINECONE_API_KEY}
    read = {field.alias for field in Settings.model_fields.values()}
    assert names == read | secrets | {contract.TIKTOKEN_CACHE_DIR}


def test_a_request_takes_its_tries_and_the_waits_between_them() -> None:
    assert openai_seconds(20.0, 3) == 83.5
    assert openai_seconds(1.0, 6) == 7 + 0.5 + 1 + 2 + 4 + 8 + 8
