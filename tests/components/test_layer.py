"""PythonLayer: Command → publish → layer version, and nothing of this machine in the state."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi
import pytest
from pulumi import ResourceHook

from layer_builds.plan import layer_digest
from tests.components import parts
from tests.harness import strings_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Build
    from tests.layers import FixtureLayers


def test_a_layer_is_published_by_a_command_and_made_from_its_object(build: Build, layers: FixtureLayers) -> None:
    spec = layers.add()
    digest = layer_digest(spec, parts.TARGET)
    program = build(lambda: parts.layer(spec))
    component = program.one("PythonLayer")
    assert program.children(component) == {
        "openai-pinecone-py313-arm64-publish",
        "openai-pinecone-py313-arm64-version",
    }
    command, version = program.one("Command"), program.one("LayerVersion")
    assert command.inputs == {
        "create": "uv run --frozen python -m layer_builds publish openai-pinecone --runtime python3.13 --architecture "
        "arm64 --builder native --bucket artifacts-bucket --account 123456789012 --region eu-central-1",
        "triggers": [digest, "artifacts-bucket"],
    }
    assert version.inputs == {
        "layerName": "strata-test-openai-pinecone-py313-arm64",
        "description": digest,
        "s3Bucket": "artifacts-bucket",
        "s3Key": f"layers/openai-pinecone/{digest}.zip",
        "compatibleRuntimes": ["python3.13"],
        "compatibleArchitectures": ["arm64"],
    }
    assert version.dependencies == {command.urn}
    assert program.outputs[component.urn]["digest"] == digest


def test_nothing_that_a_build_makes_is_an_asset(build: Build, layers: FixtureLayers) -> None:
    program = build(lambda: parts.layer(layers.add()))
    assert "4dabf18193072939515e22adb298388d" not in set(
        strings_in([resource.inputs for resource in program.resources])
    )


def test_no_path_of_this_machine_gets_into_the_state(build: Build, layers: FixtureLayers) -> None:
    program = build(lambda: parts.layer(layers.add()))
    texts = list(strings_in([resource.inputs for resource in program.resources]))
    assert not [text for text in texts if str(layers.root) in text or "/home" in text or "/tmp" in text]
    assert not [text for text in texts if text.startswith("/")]
    assert "dir" not in program.one("Command").inputs
    assert "environment" not in program.one("Command").inputs


def test_replaced_versions_are_kept_by_config_and_that_replaces_none(build: Build, layers: FixtureLayers) -> None:
    """As `skip_destroy` it did: the provider replaces a version when that changes, and deleted the old one."""
    spec = layers.add()
    kept = build(lambda: parts.layer(spec, keep_versions=True)).one("LayerVersion")
    assert kept.request.retainOnDelete is True
    dropped = build(lambda: parts.layer(spec)).one("LayerVersion")
    assert not dropped.request.retainOnDelete
    assert kept.inputs == dropped.inputs


def test_the_running_python_compiles_when_config_says_so(build: Build, layers: FixtureLayers) -> None:
    spec = layers.add()
    program = build(lambda: parts.layer(spec, compiler="running", target=parts.running_target()))
    digest = layer_digest(spec, parts.running_target(), compiler=platform.python_version())
    assert " --compiler running " in program.one("Command").inputs["create"]
    assert program.one("Command").inputs["triggers"][0] == digest


def test_the_provider_s_profile_is_passed_on(build: Build, layers: FixtureLayers) -> None:
    program = build(lambda: parts.layer(layers.add(), profile="team-dev"))
    assert " --profile team-dev " in program.one("Command").inputs["create"]


def test_a_word_that_a_shell_would_read_otherwise_is_refused(build: Build, layers: FixtureLayers) -> None:
    spec = layers.add()
    with pytest.raises(ValueError, match="command line"):
        build(lambda: parts.layer(spec, profile="a;rm"))
    assert build.last.resources == []


def test_a_name_longer_than_64_is_refused(build: Build, layers: FixtureLayers) -> None:
    spec = layers.add("-".join(["word"] * 9))
    with pytest.raises(ValueError, match="73 characters, more than 64"):
        build(lambda: parts.layer(spec), stack="stack-abc")
    assert build.last.resources == []


@dataclass
class Hooks:
    """What the engine would call, and the command lines that it would start."""

    called: dict[str, pulumi.ResourceHook]
    lines: list[str]

    def call(self, name: str) -> None:
        hook = self.called[f"openai-pinecone-py313-arm64-{name}"]
        answer = hook(pulumi.ResourceHookArgs("urn", "", name, "type"))
        if isinstance(answer, Coroutine):
            asyncio.run(answer)


@pytest.fixture
def hooks(build: Build, layers: FixtureLayers, monkeypatch: pytest.MonkeyPatch) -> Hooks:
    made: dict[str, pulumi.ResourceHook] = {}

    def hook(name: str, function: Any) -> pulumi.ResourceHook:
        return made.setdefault(name, ResourceHook(name, function))

    monkeypatch.setattr(pulumi, "ResourceHook", hook)
    program = build(lambda: parts.layer(layers.add()))
    command, version = program.one("Command").request, program.one("LayerVersion").request
    assert list(command.hooks.after_create) == list(command.hooks.after_update) == [next(iter(made))]
    assert list(version.hooks.before_create) == [list(made)[1]]
    return Hooks(made, [program.one("Command").inputs["create"]])


def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Stand in for uv: nothing else is on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    file = tmp_path / "uv"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def test_a_version_that_is_made_without_the_command_publishes_first(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its triggers had not changed, so nothing looked: the version was made from a key that was gone."""
    uv(tmp_path, monkeypatch, f'echo "uv $*" > {tmp_path}/ran')
    hooks.call("artifact")
    assert (tmp_path / "ran").read_text().splitlines() == hooks.lines


def test_a_version_that_is_made_after_the_command_publishes_nothing(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    uv(tmp_path, monkeypatch, f"echo > {tmp_path}/ran")
    hooks.call("published")
    hooks.call("artifact")
    assert not (tmp_path / "ran").exists()


def test_a_version_is_not_made_when_publishing_fails(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    uv(tmp_path, monkeypatch, "echo 'error: the build failed' >&2; exit 1")
    with pytest.raises(RuntimeError, match=r"exited with 1:\nerror: the build failed"):
        hooks.call("artifact")
