"""PythonLayer: Command → publish → layer version, and nothing of this machine in the state."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import pytest

from layer_builds.plan import layer_digest
from tests.components import parts
from tests.harness import strings_in

if TYPE_CHECKING:
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
