"""The garbage collector while a function starts, and packages that are loaded later."""

from __future__ import annotations

import gc
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lambdas.shared.lazy import lazy_packages
from lambdas.shared.startup import starting

if TYPE_CHECKING:
    from pathlib import Path

IN_A_NEW_PROCESS = """
import sys
from lambdas.shared.lazy import lazy_packages
with lazy_packages("openai.types"):
    import openai
few = sum(name.startswith("openai.types") for name in sys.modules)
assert few < 100, few
from openai.types.responses import Response          # asked for later: there as before
from openai.types import EmbeddingModel, embedding_create_params
assert openai.types.Completion.__name__ == "Completion"
assert openai.types.chat.ChatCompletion.model_fields
client = openai.OpenAI(api_key="x", base_url="http://127.0.0.1:9/v1", max_retries=0)
assert client.chat.completions and client.responses
"""


def test_nothing_is_collected_within_and_all_is_as_before_afterwards() -> None:
    assert gc.isenabled()
    with starting():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.unfreeze()
    with pytest.raises(KeyError), starting():
        raise KeyError
    assert gc.isenabled()
    gc.unfreeze()


def test_the_official_client_is_whole_though_its_types_are_loaded_when_asked_for() -> None:
    subprocess.run([sys.executable, "-c", IN_A_NEW_PROCESS], check=True, timeout=120)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package that says when it is run, with a package in it."""
    name = f"lazy_{tmp_path.name.replace('-', '_')}"
    files = {
        "__init__.py": "from .one import Thing as Thing, other\nfrom .sub import (\n    Deep as Deep,\n)\nRUN = True\n",
        "one.py": "class Thing: pass\nother = 2\n",
        "two.py": "value = 3\n",
        "sub/__init__.py": "from .deep import Deep as Deep\n",
        "sub/deep.py": "class Deep: pass\n",
    }
    for file, text in files.items():
        place = tmp_path / name / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def test_a_lazy_package_loads_what_is_asked_for_and_no_more(package: str) -> None:
    with lazy_packages(package):
        module = __import__(package)
    assert not [name for name in sys.modules if name.startswith(f"{package}.")]
    assert module.Thing.__module__ == f"{package}.one"
    assert module.other == 2
    assert module.two.value == 3
    assert module.Deep.__module__ == f"{package}.sub.deep"
    assert "RUN" not in vars(module)
    assert module.RUN is True
    with pytest.raises(AttributeError):
        _ = module.missing


def test_other_packages_are_imported_as_ever(package: str) -> None:
    with lazy_packages("another"):
        assert vars(__import__(package))["RUN"] is True
