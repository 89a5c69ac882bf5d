"""The shipped model computes the same on a CPU that lacks what the fast products need, under qemu."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lambdas.embedding_processor.layout import read_layout
from layer_builds.models import graphs, quantize
from layer_builds.plan import host_architecture
from sandbox.standins.openai.minilm import model_folder
from tests.models import minilm

EMULATOR = "qemu-x86_64-static"
HASWELL = (EMULATOR, "-cpu", "Haswell")
"""AVX2, and no VNNI: two products are added up in 16 bits, and cut off where they do not fit."""
PROBE = """
import json, sys
import numpy, onnxruntime
def vectors(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    texts = [{"input_ids": numpy.array([ids], "int64")} for ids in json.loads(sys.argv[1])]
    return [session.run(None, text)[0][0].tolist() for text in texts]
print(json.dumps([vectors(path) for path in sys.argv[2:]]))
"""
INPUTS = [[101, 1996, 3902, 102], [101, 24029, 3147, 2096, 1996, 24240, 102]]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which(EMULATOR) is None or host_architecture() != "x86_64",
        reason=f"{EMULATOR} is not installed, or this CPU is another one",
    ),
    pytest.mark.skipif("vnni" not in Path("/proc/cpuinfo").read_text(), reason="this CPU has no VNNI to compare with"),
]


def test_a_vector_is_the_same_without_vnni(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would not be, were two weights side by side as large as 8 bits can say."""
    unlimited, source = tmp_path / "model", model_folder()
    shutil.copytree(minilm(), unlimited)
    monkeypatch.setattr(quantize, "PAIR", 2 * quantize.MOST)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    graphs.export(source, config, read_layout(unlimited), unlimited / "model.onnx", 8)
    shipped, other = (vectors(minilm(), unlimited) * vectors(minilm(), unlimited, before=HASWELL)).sum(axis=2)
    assert shipped.min() > 0.9999
    assert other.min() < 0.999


def vectors(*folders: Path, before: tuple[str, ...] = ()) -> np.ndarray:
    """Of each model and text."""
    command = [*before, sys.executable, "-c", PROBE, json.dumps(INPUTS)]
    command += [str(folder / "model.onnx") for folder in folders]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return np.array(json.loads(done.stdout), np.float32)
