"""The command line on the project's own layer, from its committed files."""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from layer_builds.__main__ import main
from layer_builds.build.docker import IMAGE_VARIABLE, build_in_docker, container_argv
from layer_builds.build.finished import BuiltLayer
from layer_builds.build.outcome import update_manifest
from layer_builds.commands.options import add_which, chosen, chosen_targets
from layer_builds.commands.screen import Screen, show_builds
from layer_builds.host.processes import Completed
from layer_builds.plan import (
    ALL_TARGETS,
    LAYERS_DIR,
    LayerBuildError,
    Target,
    check_function_budget,
    host_architecture,
    layer_digest,
    layer_names,
    load_layer,
    load_manifest,
)
from tests.layer_builds.wheelhouse import Wheel, make_layer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LAYER = "openai-pinecone"
TARGET = Target("python3.13", "arm64")


def test_the_committed_layer_is_locked_and_built_for_every_target() -> None:
    layer = load_layer(LAYER)
    for target in ALL_TARGETS:
        check_function_budget("embedding", 100_000, [layer], target)
        entry = load_manifest(layer).entry(target)
        assert {"openai", "pinecone", "tiktoken", "aws-lambda-powertools", "pydantic"} <= set(entry.distributions)
        assert "boto3" not in entry.distributions
        assert list(entry.assets) == ["tiktoken/9b5ad71b2ce5302211f9c61530b329a4922fc6a4"]
        assert entry.smoke in {"run", "qemu-aarch64"} or entry.smoke.startswith("not run: ")
    assert layer.environment == {"TIKTOKEN_CACHE_DIR": "/opt/tiktoken"}


def test_a_layer_is_chosen_for_what_it_is_made_for(tmp_path: Path) -> None:
    one = Target("python3.12", "x86_64")
    toml = 'runtimes = ["python3.12"]\narchitectures = ["x86_64"]\n'
    layer, _ = make_layer(tmp_path / "layers", [Wheel("alpha")], toml=toml, target=one)

    def asked(*words: str) -> list[Target]:
        parser = argparse.ArgumentParser()
        add_which(parser)
        return chosen_targets(parser.parse_args(words), layer)

    assert asked() == asked("--all") == asked("small", "--runtime", "python3.12") == [one]
    assert asked("--runtime", "python3.13") == []  # among all layers it is passed over
    with pytest.raises(LayerBuildError, match=r"layer small is not for python3\.13-arm64: .* says python3\.12-x86_64"):
        asked("small", "--runtime", "python3.13", "--architecture", "arm64")


def test_what_only_an_image_holds_is_built_when_it_is_named() -> None:
    """`make layers` would fetch and pack half a gigabyte of torch, which nobody has who takes no image of it."""

    def asked(*words: str) -> set[str]:
        parser = argparse.ArgumentParser()
        add_which(parser)
        return {layer.name for layer, _ in chosen(parser.parse_args(words))}

    assert asked("--all") == {name for name in layer_names() if not load_layer(name).for_images}
    assert "embedding-torch" not in asked()
    assert asked("embedding-torch") == {"embedding-torch"}


def test_digests_are_printed_as_lines_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    digest = layer_digest(load_layer(LAYER), TARGET)
    words = [LAYER, "--runtime", TARGET.runtime, "--architecture", TARGET.architecture]
    assert main(["digest", *words]) == 0
    assert capsys.readouterr().out == f"{digest}  {LAYER} {TARGET}\n"
    assert main(["digest", *words, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["digest"] == digest
    assert row["inputs"]["runtime"] == TARGET.runtime


def test_the_report_says_what_fills_a_layer(capsys: pytest.CaptureFixture[str]) -> None:
    words = [LAYER, "--runtime", TARGET.runtime, "--architecture", TARGET.architecture]
    assert main(["report", *words]) == 0
    table = capsys.readouterr().out
    assert f"{LAYER} {TARGET}" in table
    assert "pinecone" in table
    assert "unzipped of 262.1 MB" in table
    assert main(["report", *words, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    sizes = [one["bytes"] for one in row["contents"]]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == row["unzipped_bytes"], "every byte is some package's or asset's"


def test_an_error_is_one_text_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "no-such-layer"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: there is no layer 'no-such-layer' in layer_builds/layers (there is: ")
    assert "Traceback" not in err


def test_a_new_manifest_is_named_from_the_repositorys_root(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    entry = load_manifest(load_layer(LAYER)).entry(TARGET)
    built = BuiltLayer(
        layer=LAYER, target=TARGET, path=tmp_path, digest=entry.digest, entry=entry, hit=True, seconds=1.0, log=tmp_path
    )
    monkeypatch.setattr("layer_builds.build.many.build_many", lambda *_: ({(LAYER, TARGET): built}, {}))
    monkeypatch.setattr("layer_builds.build.outcome.update_manifest", lambda *_: True)
    assert main(["build", LAYER]) == 0
    assert f"\nlayer_builds/layers/{LAYER}/manifest.json is new: commit it\n" in f"\n{capsys.readouterr().err}"


def test_a_manifest_keeps_a_smoke_call_that_another_machine_could_make(tmp_path: Path) -> None:
    shutil.copytree(LAYERS_DIR / LAYER, tmp_path / LAYER)
    layer = load_layer(LAYER, root=tmp_path)
    text = layer.manifest_path.read_text()
    entry = load_manifest(layer).entry(Target("python3.13", "x86_64"))
    lesser = replace(entry, smoke="not run: no such CPU")
    built = BuiltLayer(
        layer=LAYER,
        target=Target("python3.13", "x86_64"),
        path=tmp_path,
        digest=entry.digest,
        entry=lesser,
        hit=False,
        seconds=1.0,
        log=tmp_path,
    )
    assert not update_manifest(layer, [built])
    assert layer.manifest_path.read_text() == text
    other = replace(lesser, artifact_sha256="0" * 64)
    assert update_manifest(layer, [replace(built, entry=other)])
    assert load_manifest(layer).entry(Target("python3.13", "x86_64")).smoke == "not run: no such CPU"


def test_a_call_that_was_not_made_is_named_in_the_last_lines(capsys: pytest.CaptureFixture[str]) -> None:
    entry = load_manifest(load_layer(LAYER)).entry(TARGET)
    untried = replace(entry, smoke="not run: no such CPU")
    show_builds(Screen(), [(LAYER, TARGET, untried, "cached"), (LAYER, TARGET, entry, "cached")], as_json=False)
    shown = capsys.readouterr()
    assert [line.split()[-2:] for line in shown.out.splitlines()[1:]] == [["run", "cached"], [entry.smoke, "cached"]]
    assert "the smoke call of 1 of 2 builds was not made on this machine" in shown.err
    assert shown.err.splitlines()[-1] == f"  {LAYER} {TARGET} (not run: no such CPU)"


def test_where_nothing_was_built_no_table_stands_before_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    show_builds(Screen(), [], as_json=False)
    assert capsys.readouterr().out == ""


def test_the_containers_command_line_holds_no_value_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(IMAGE_VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("machine host login u password p")
    certificates = tmp_path / "ca.pem"
    certificates.write_text("")
    environ = {
        "UV_INDEX_URL": "https://u:very-secret@host/",
        "https_proxy": "http://u:other-secret@proxy/",
        "SSL_CERT_FILE": str(certificates),
        "AWS_SECRET_ACCESS_KEY": "not passed",
    }
    argv = container_argv(
        load_layer(LAYER), Target("python3.13", host_architecture()), {"/src": ("/strata", "ro")}, environ
    )
    text = " ".join(argv)
    assert "secret" not in text.lower()
    assert "AWS" not in text
    assert "--env UV_INDEX_URL --env https_proxy" in text
    assert "/src:/strata:ro" in argv
    assert f"{certificates}:/strata-ca.pem:ro" in argv
    assert f"{tmp_path / '.netrc'}:/strata-netrc:ro" in argv
    assert "--platform" not in argv
    assert argv[-4:] == [
        f"public.ecr.aws/sam/build-python3.13:latest-{host_architecture()}",
        "python3.13",
        "-m",
        "layer_builds.lock.inside",
    ]


def test_docker_that_is_not_running_comes_with_the_remedy(tmp_path: Path) -> None:
    def refuse(argv: Sequence[str], **_: Any) -> Completed:
        return Completed(1, "", "Cannot connect to the Docker daemon")

    with pytest.raises(LayerBuildError, match=r"Docker is not running.*builder: native"):
        build_in_docker(load_layer(LAYER), TARGET, tmp_path / "x.zip", compiler=None, run=refuse, say=print)
