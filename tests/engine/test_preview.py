"""A preview of a clean checkout: nothing is built, nothing but AWS is asked, Docker is not there."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests.engine.connections import outgoing
from tests.engine.pulumi_cli import ROOT, path_without

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.pulumi_cli import Checkout, Run

STACK = "preview"
DOCKER = ("docker", "dockerd", "docker-compose", "podman", "nerdctl", "buildah")


@pytest.fixture(scope="module")
def preview(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The preview of `Pulumi.dev.yaml` as it is committed."""
    checkout.stack(STACK, {}, of="dev")
    if "PULUMI_DEBUG_PROVIDERS" not in os.environ:  # as `pulumi install` does once on a machine: plugins are downloads
        checkout.pulumi("plugin", "install").ok()
    path = path_without(DOCKER, tmp_path_factory.mktemp("path") / "bin")
    return checkout.pulumi("preview", "--stack", STACK, trace="connect", environment={"PATH": path})


def test_a_clean_checkout_previews_without_docker(preview: Run, checkout: Checkout) -> None:
    preview.ok()
    assert {step.op for step in preview.steps} == {"create"}
    assert "embedding-function" in preview.changed
    assert "openai-pinecone-py313-arm64-version" in preview.changed


def test_a_preview_builds_nothing(preview: Run, checkout: Checkout) -> None:
    preview.ok()
    assert not (checkout.path / ".build").exists()


@pytest.mark.usefixtures("tracing")
def test_a_preview_opens_no_connection_to_anything_but_the_cloud(preview: Run) -> None:
    assert any("127.0.0.1" in call for call in preview.calls), "the trace has not even the emulator in it"
    assert outgoing(preview.calls) == []


def test_the_preview_shows_the_whole_stack_as_the_tests_of_the_program_know_it(preview: Run) -> None:
    shown = {f"{step.kind}::{step.name}" for step in preview.steps}
    golden = (ROOT / "tests" / "program" / "golden" / "dev.txt").read_text().splitlines()
    urns = [line.split("::") for line in golden if line.startswith("urn:")]
    expected = {"::".join([kind.rsplit("$", 1)[-1], name]) for _, _, kind, name in urns}
    assert shown - {name for name in shown if name.startswith("pulumi:providers:")} == expected


@pytest.mark.usefixtures("tracing")
@pytest.mark.parametrize(
    ("script", "seen"),
    [
        # Multicast: the kernel refuses TCP to it at once, so that the control itself sends nothing.
        ("socket.create_connection(('224.0.0.1', 80), 0.1)", "224.0.0.1:80"),
        ("socket.socket(socket.AF_INET6).connect(('ff02::1', 443))", "ff02::1:443"),
        ("socket.socket(type=socket.SOCK_DGRAM).connect(('127.0.0.53', 53))", "127.0.0.53:53"),
    ],
)
def test_control_a_connection_in_a_child_process_would_be_seen(checkout: Checkout, script: str, seen: str) -> None:
    child = f"import socket, contextlib\nwith contextlib.suppress(OSError): {script}"
    run = checkout.run("/bin/sh", "-c", '"$0" -c "$1"; true', sys.executable, child, trace="connect")
    assert outgoing(run.calls) == [seen]


def test_control_docker_is_not_found_on_that_path(checkout: Checkout, tmp_path: Path) -> None:
    path = path_without(DOCKER, tmp_path / "bin")
    assert checkout.run("/bin/sh", "-c", "command -v docker", environment={"PATH": path}).code != 0
    assert checkout.run("/bin/sh", "-c", "command -v pulumi", environment={"PATH": path}).code == 0
    assert os.environ["PATH"] != path
