"""embedding_processor's model, and search with it, beside sentence-transformers and torch.

    python -m benchmarks.embedding_processor --torch /tmp/reference/bin/python [--rounds 3] [--page]

About five minutes on two cores with nothing else to do, a quarter of an hour on a busy machine.

`--torch` is a Python with sentence-transformers, in an environment of its own: `benchmarks/model_reference.py` says
how it is made. Every contender is the function's own embedder, in processes of its own on one core, in turns.

The corpus is the documentation that Python brings: a function's first line is the query, what follows it the document.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import embedding_sizes, page
from benchmarks.embedding_sizes import sizes
from layer_builds.plan import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Sequence

WORKER: Final = Path(__file__).with_name("embedding_worker.py")
SHIPPED, FLOAT32, TORCH = "ONNX, 8 bits, as shipped", "ONNX, float32", "sentence-transformers, torch"
MEDIANS: Final = ("init_seconds", "peak_mb", "chunks_a_processor_second")


def main() -> None:
    """Measure, print, and with --page write the section."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.embedding_processor", description=__doc__)
    parser.add_argument("--torch", type=Path, help="a Python with sentence-transformers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--documents", type=int, help="of the corpus, at most; by default all")
    parser.add_argument("--page", action="store_true", help="write the section of docs/benchmarks.md; needs --torch")
    given = parser.parse_args()
    if given.page and given.torch is None:
        parser.error("--page is of all contenders: --torch")
    found, parts = models(given.torch, given.rounds, given.documents), sizes(given.torch)
    print(json.dumps({"models": found, "bytes": parts}, indent=1))
    if given.page:
        versions = {"onnxruntime": importlib.metadata.version("onnxruntime"), **found[TORCH]["versions"]}
        some = f" --documents {given.documents}" if given.documents else ""
        command = f"python -m benchmarks.embedding_processor --torch PYTHON{some} --page"
        page.section("embedding_processor", command, markdown(found, parts, given.rounds), versions)


def models(torch: Path | None, rounds: int, documents: int | None = None) -> dict[str, Any]:
    """Every contender's start, memory, throughput, fidelity and recall."""
    from benchmarks.embedding_corpus import pairs, recall_at
    from sandbox.standins.openai.minilm import model_folder
    from tests.models import minilm

    with tempfile.TemporaryDirectory() as scratch:
        corpus = Path(scratch) / "corpus.json"  # the other Python's functions may be documented otherwise
        corpus.write_text(
            json.dumps(pairs()[:: 1 if documents is None else -(-len(pairs()) // documents)]), encoding="utf-8"
        )
        contenders = {
            SHIPPED: ([sys.executable], "onnx", minilm("8")),
            FLOAT32: ([sys.executable], "onnx", minilm("none")),
        }
        if torch is not None:
            original = Path(scratch) / "model"
            shutil.copytree(model_folder(), original)
            shutil.copyfile(minilm("none") / "model_card.json", original / "model_card.json")
            contenders[TORCH] = ([str(torch)], "sentence-transformers", original)
        found = {name: measured(*contender, corpus) for name, contender in contenders.items()}
        seen = {name: [found[name]] for name in contenders}
        for _ in range(rounds - 1):
            for name, contender in contenders.items():
                seen[name].append(measured(*contender, None))
        sizes = {name: folder_bytes(folder) for name, (_, _, folder) in contenders.items()}
    reference = found[TORCH]["vectors"]["documents"] if torch is not None else None
    for name, about in found.items():
        about |= {key: statistics.median(each[key] for each in seen[name]) for key in MEDIANS}
        about["model_bytes"] = sizes[name]
        about["recall_at_10"] = recall_at(10, about["vectors"])
        if reference is not None:
            about["cosine_to_torch"] = _cosines(about["vectors"]["documents"], reference)
    for about in found.values():
        del about["vectors"]
    return found


def measured(python: Sequence[str], backend: str, folder: Path, corpus: Path | None) -> dict[str, Any]:
    """What one contender came to, in a process of its own on one core."""
    done = subprocess.run(
        ["taskset", "--cpu-list", "0", *python, str(WORKER), backend, str(folder), *([str(corpus)] if corpus else [])],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        timeout=3_600,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def folder_bytes(folder: Path) -> int:
    """Of its files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _cosines(ours: Any, theirs: Any) -> dict[str, float]:
    import numpy as np

    one, other = np.array(ours, np.float32), np.array(theirs, np.float32)
    values = (one * other).sum(axis=1)
    return {"mean": round(float(values.mean()), 6), "min": round(float(values.min()), 6)}


def markdown(found: dict[str, Any], parts: dict[str, Any], rounds: int) -> str:
    """The page's section."""
    reference = found[TORCH]
    rows = [
        ["model's files", *(f"{about['model_bytes'] / 1e6:.0f} MB" for about in found.values())],
        ["loading it, imports included", *(f"{about['init_seconds']:.2f} s" for about in found.values())],
        ["peak memory", *(f"{about['peak_mb']:.0f} MB" for about in found.values())],
        ["… of torch's", *(f"{about['peak_mb'] / reference['peak_mb']:.2f}" for about in found.values())],
        [
            "chunks a second of processor",
            *(f"{about['chunks_a_processor_second']:.1f}" for about in found.values()),
        ],
        [
            "**… of torch's**",
            *(
                f"**{about['chunks_a_processor_second'] / reference['chunks_a_processor_second']:.2f} times**"
                for about in found.values()
            ),
        ],
        [
            "cosine to torch, mean / min",
            *(
                f"{about['cosine_to_torch']['mean']:.5f} / {about['cosine_to_torch']['min']:.5f}"
                for about in found.values()
            ),
        ],
        ["recall@10", *(f"{about['recall_at_10']:.3f}" for about in found.values())],
    ]
    shipped = found[SHIPPED]
    recall = 100 * (shipped["recall_at_10"] - reference["recall_at_10"])
    return (
        "## embedding_processor: the model\n"
        "all-MiniLM-L6-v2 in the function's two embedders, each in fresh processes on one core, in turns: medians of "
        f"{rounds} rounds; the load average of the machine was {reference['load_average']:.0f}, so ratios mean more "
        "than times. Chunks have about 220 tokens. Wanted: twice torch's throughput and a third of its memory for what "
        "is shipped, a cosine of 0.9999 (float32) and 0.999 on average (8 bits), recall within a point. The corpus is "
        f"{reference['documents']:,} functions' documentation, as Python brings it: the first line looks for the rest. "
        f"What is shipped finds {abs(recall):.1f} points {'more' if recall > 0 else 'less'} than torch.\n\n"
        f"{page.table(['', *found], rows)}\n\n"
        "The packagings, for python3.13. An image may have 10 GB. *CUDA* is what torch's wheel for x86_64 brings "
        "along, unused on Lambda: `torch-image` is for arm64, with the last torch whose wheel there is without it.\n\n"
        f"{embedding_sizes.markdown(parts)}\n"
    )


if __name__ == "__main__":
    main()
