"""`ops package`: the seed's build stages, asked of the real systems and of broken ones."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import pytest

from components.package import Zip
from components.systems import SYSTEMS
from layer_builds.plan import Target
from layer_builds.plan.code_files import SUFFIXES
from ops.cli import main
from ops.errors import OpsError
from ops.package import ARCHIVE, METADATA, pack, validate, write_package

if TYPE_CHECKING:
    from pathlib import Path

TARGET = Target("python3.13", "arm64")
ZIPPED = [name for name, system in SYSTEMS.items() if isinstance(system.package, Zip)]


@pytest.mark.parametrize("system", ZIPPED)
def test_every_systems_package_is_written_with_its_metadata(tmp_path: Path, system: str) -> None:
    (tmp_path / ARCHIVE).write_bytes(b"of an earlier run")
    report = write_package(system, TARGET, tmp_path)
    metadata = json.loads((tmp_path / METADATA).read_text())
    assert report.data["metadata"] == metadata
    assert sorted(path.name for path in tmp_path.iterdir()) == [METADATA, ARCHIVE]
    with zipfile.ZipFile(tmp_path / ARCHIVE) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert f"{metadata['handler'].rpartition('.')[0].replace('.', '/')}.py" in names
    assert {f".{name.rpartition('.')[2]}" for name in names} <= set(SUFFIXES)
    size = (tmp_path / ARCHIVE).stat().st_size
    assert size <= metadata["build_info"]["package_size_kb"] * 1024 < size + 1024
    # Our own code and nothing else: what is somebody else's is in a layer.
    assert {name.split("/")[0] for name in names if "/" in name} == {"lambdas"}
    assert {name.split("/")[1] for name in names if name.count("/") > 1} == {system, "shared"}
    assert all(name.endswith(".py") for name in names if "/" not in name)
    if system == "orchestrator":
        assert size <= 100 * 1024, "its contract"
    assert (metadata["function_name"], metadata["runtime"]) == (system, "python3.13")
    assert [layer["name"] for layer in metadata["layers"]] == metadata["build_info"]["layer_dependencies"]
    assert metadata["description"]


def test_the_same_files_are_the_same_bytes() -> None:
    files = {"b.py": "x = 1\n", "a.py": "y = 2\n"}
    assert pack(files) == pack(dict(reversed(files.items())))


def test_a_file_that_does_not_compile_is_named_with_its_line() -> None:
    with pytest.raises(OpsError, match=r"b/c\.py, line 2: "):
        validate({"a.py": "def handler(): ...\n", "b/c.py": "x = 1\ny = (\n"}, "a.handler")
    with pytest.raises(OpsError, match=r"a\.py, line 1: 'return' outside function"):
        validate({"a.py": "return\n"}, "a.handler")


def test_a_handler_that_is_not_there_is_refused() -> None:
    with pytest.raises(OpsError, match=r"the handler is a\.handle, and a\.py has no function handle"):
        validate({"a.py": "def handler(): ...\n"}, "a.handle")


def test_an_unknown_system_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["package", "nobody", "--output", str(tmp_path)]) == 2
    assert f"there are: {', '.join(ZIPPED)}" in capsys.readouterr().err
