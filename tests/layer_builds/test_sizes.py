"""Too large is said from the wheels' tables of contents, read over HTTP, before anything is downloaded."""

from __future__ import annotations

import os
import re
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

import pytest

from layer_builds.lock.resolve import lock_group
from layer_builds.lock.sizes import Artifact, check_sizes
from layer_builds.plan import LayerBuildError, LayerSpec, Target, load_layer
from tests.layer_builds.test_lock import PURE, Index
from tests.layer_builds.wheelhouse import Wheel, make_layer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TARGET = Target("python3.13", "x86_64")
LIMIT = 1_000_000


class Files(ThreadingHTTPServer):
    """An index's files, with ranges or without."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.ranges = True
        self.sent = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that asked for a part, and got all, hangs up."""

    def artifact(self, name: str, files: dict[str, int]) -> Artifact:
        """A wheel of files that do not compress; name → bytes of each."""
        path = self.folder / f"{name}-1.0-py3-none-any.whl"
        self.folder.mkdir(exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
            for file, size in files.items():
                wheel.writestr(file, os.urandom(size))
        return Artifact(f"{name} 1.0", f"http://127.0.0.1:{self.server_port}/{path.name}", path.stat().st_size)


class Handler(BaseHTTPRequestHandler):
    """Serves them."""

    def do_GET(self) -> None:
        """Answer a range with it, or with all of the file."""
        server = cast("Files", self.server)
        data = (server.folder / self.path[1:]).read_bytes()
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        partial = found is not None and server.ranges
        body = data[int(found[1]) : int(found[2]) + 1] if found and partial else data
        self.send_response(206 if partial else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        server.sent += len(body) if partial else 0
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    monkeypatch.setattr("layer_builds.plan.spec.MAX_UNZIPPED_BYTES", LIMIT)
    server = Files(tmp_path / "files")
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def layer(tmp_path: Path) -> LayerSpec:
    return make_layer(tmp_path / "layers", [Wheel("web")], toml='drop = ["big/data/**"]')[0]


def test_what_certainly_does_not_fit_is_refused_from_a_few_kilobytes(files: Files, layer: LayerSpec) -> None:
    big = files.artifact("big", {"big/model.bin": 900_000})
    small = files.artifact("small", {"small/data.bin": 200_000})
    with pytest.raises(
        LayerBuildError, match=r"at least 1 MB unzipped for python3.13-x86_64.*Nothing was downloaded"
    ) as refused:
        check_sizes(layer, TARGET, [small, big])
    assert re.findall(r"([\d.]+) MB  (\S+) 1\.0", str(refused.value)) == [("0.9", "big"), ("0.2", "small")]
    assert files.sent <= 4 << 16


def test_what_pruning_may_take_does_not_count(files: Files, layer: LayerSpec) -> None:
    gone = {"big/tests/a.bin": 900_000, "big/data/b.bin": 900_000, "big/core.c": 900_000, "big/__init__.py": 100}
    assert not check_sizes(layer, TARGET, [files.artifact("big", gone)])


def test_native_code_that_may_be_stripped_leaves_it_in_doubt(files: Files, layer: LayerSpec) -> None:
    assert check_sizes(layer, TARGET, [files.artifact("big", {"big/core.cpython-313-x86_64-linux-gnu.so": 1_500_000})])
    assert not check_sizes(layer, TARGET, [files.artifact("less", {"big/libx.so.3": 1_200_000})])


def test_a_table_of_contents_of_many_files_is_read_whole(files: Files, layer: LayerSpec) -> None:
    many = files.artifact("many", {f"many/{'long' * 20}/{number}.bin": 600 for number in range(2_000)})
    with pytest.raises(LayerBuildError, match="at least 1 MB"):
        check_sizes(layer, TARGET, [many])


@pytest.mark.parametrize("damage", ["no ranges", "gone", "not a zip", "no size", "a file's address"])
def test_an_index_that_does_not_answer_refuses_nothing(files: Files, layer: LayerSpec, damage: str) -> None:
    big = files.artifact("big", {"big/model.bin": 2_000_000})
    path = files.folder / "big-1.0-py3-none-any.whl"
    files.ranges = damage != "no ranges"
    if damage == "gone":
        files.shutdown()
        files.server_close()
    elif damage == "not a zip":
        path.write_bytes(bytes(path.stat().st_size))
    elif damage == "no size":
        big = Artifact(big.package, big.url, 0)
    elif damage == "a file's address":
        big = Artifact(big.package, path.as_uri(), big.size)
    assert not check_sizes(layer, TARGET, [big])


def test_small_layers_ask_nothing(files: Files, layer: LayerSpec) -> None:
    assert not check_sizes(layer, TARGET, [files.artifact("small", {"small/data.bin": 100_000})])
    assert files.sent == 0


class Served(Index):
    """The index, its files on a server."""

    def __init__(self, artifact: Artifact) -> None:
        super().__init__({"web": [("1.0", [], PURE)]})
        self._artifact = artifact

    def _toml(self, name: str, version: str, _: list[str], tags: list[str]) -> str:
        text = super()._toml(name, version, _, tags)
        return re.sub(r'url = "[^"]*"', f'url = "{self._artifact.url}", size = {self._artifact.size}', text)


def test_locking_refuses_and_doubts(files: Files, layer: LayerSpec) -> None:
    with pytest.raises(LayerBuildError, match="would be at least 2 MB"):
        lock_group(layer, TARGET, Served(files.artifact("web", {"web/model.bin": 2_000_000})))
    doubted: list[LayerSpec] = []
    doubtful = Served(files.artifact("native", {"web/model.so": 1_500_000}))
    assert lock_group(layer, TARGET, doubtful, doubt=doubted.append)["small"].pins
    assert doubted == [load_layer("small", root=layer.root)]
