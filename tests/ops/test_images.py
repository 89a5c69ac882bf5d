"""Pinning base images: the digest that a registry has, in the stack's config file, whose comments stay."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from components.values import base_images
from ops.cli import main
from ops.errors import OpsError
from ops.images import pin_bases
from tests.layer_builds.registries import FakeRegistry, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = "# who owns it\nconfig:\n  # first\n  strata:extract_text:\n    package: image  # large\n# the end\n"


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with serving(FakeRegistry(password=None)) as registry:
        yield registry


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(CONFIG)
    return path


def bases(file: Path) -> dict[str, str]:
    return yaml.safe_load(file.read_text())["config"]["strata:images"]["bases"]


def test_the_digest_that_the_registry_has_is_written(registry: FakeRegistry, file: Path) -> None:
    digest = registry.put_index("3.13")
    report = pin_bases(file, repository=registry.repository)
    expected = {"python3.13": f"{registry.repository}@{digest}"}
    assert bases(file) == expected == base_images(expected), "what the program accepts"
    assert report.data == {"bases": expected, "changed": ["python3.13"], "written": True}
    assert [line for line in CONFIG.splitlines() if line not in file.read_text().splitlines()] == []


def test_what_is_pinned_is_brought_up_to_date_and_more_is_added(registry: FakeRegistry, file: Path) -> None:
    registry.put_index("3.13")
    registry.put("3.12", {"of": "3.12"})
    pin_bases(file, repository=registry.repository)
    before = file.read_text()
    assert pin_bases(file, repository=registry.repository).data["changed"] == []
    assert file.read_text() == before
    newer = registry.put("3.13", {"a": "newer one"})
    assert pin_bases(file, repository=registry.repository, dry_run=True).data["changed"] == ["python3.13"]
    assert file.read_text() == before
    pin_bases(file, ["python3.12"], repository=registry.repository)
    assert set(bases(file)) == {"python3.12", "python3.13"}
    pin_bases(file, repository=registry.repository)
    assert bases(file)["python3.13"] == f"{registry.repository}@{newer}"


def test_nothing_is_written_when_no_digest_can_be_read(registry: FakeRegistry, file: Path) -> None:
    with pytest.raises(OpsError, match=r"has no tag 3\.13, which python3\.13 would be"):
        pin_bases(file, repository=registry.repository)
    with pytest.raises(OpsError, match=r"could not be reached .* pin base images on a machine that reaches 127"):
        pin_bases(file, repository="127.0.0.1:1/lambda/python")
    assert file.read_text() == CONFIG


def test_the_command(registry: FakeRegistry, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    registry.put_index("3.13")
    command = ["images", "pin", "--config-file", str(file), "--repository", registry.repository]
    assert main([*command, "--stack", "dev", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bases"] == bases(file)
    assert main([*command, "--stack", "dev"]) == 0
    assert "as it was" in capsys.readouterr().out
    missing = file.with_name("Pulumi.none.yaml")
    assert main(["images", "pin", "--stack", "none", "--config-file", str(missing)]) == 1
    assert "there is no Pulumi.none.yaml: there are dev" in capsys.readouterr().err
