"""The host's parts by themselves: a process's start where nothing may be mounted, unpacking, HTTP, roles."""

from __future__ import annotations

import asyncio
import ctypes
import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox import lambda_entry
from sandbox.emulator_process import fingerprint
from sandbox.httpd import Request, Response, serve
from sandbox.lambda_code import forget_unused, unpack
from sandbox.lambda_roles import RoleKeys, Roles
from sandbox.workspace import SandboxError
from tests.sandbox.hosted import zipped

CAP_SYS_ADMIN = 21
PR_CAPBSET_DROP = 24
ENTRY = Path(lambda_entry.__file__)
FAKE_RIC = (
    "import json, os, sys\n"
    "def main(arguments):\n"
    "    opt = sorted(os.listdir('/opt'))\n"
    "    print(json.dumps({'path': sys.path, 'data': os.environ.get('DATA'), 'opt': opt, 'arguments': arguments}))\n"
)


def started(tmp_path: Path, **options: Any) -> tuple[dict[str, Any], str]:
    """Run the entry with a runtime of ours; what it printed, and how it isolated itself."""
    for name, text in {"task/app.py": "", "runtime/awslambdaric/__main__.py": FAKE_RIC, "layers/data/x": "1"}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "runtime/awslambdaric/__init__.py").touch()
    (tmp_path / "private/tmp").mkdir(parents=True)
    parts = {name: str(tmp_path / name) for name in ("task", "runtime", "layers", "private")}
    settings = {**parts, "parent": os.getpid(), "handler": "app.handler", "own_locale": False, "storage_mb": 16}
    read_end, write_end = os.pipe()
    environment = {"_LAMBDA_TELEMETRY_LOG_FD": str(write_end), "DATA": "/opt/data", "LANG": "C"}
    command = [str(Path(sys.executable).resolve()), "-S", "-s", "-P", str(ENTRY), json.dumps(settings)]
    done = subprocess.run(
        command, env=environment, pass_fds=[write_end], capture_output=True, text=True, check=False, **options
    )
    os.close(write_end)
    with os.fdopen(read_end, "rb") as told:
        frame = told.read()
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), json.loads(frame[16:])["isolation"]


def drop_mounting() -> None:
    """Take away this process's right to mount, as an ordinary user has none (a user namespace gives it back)."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0)


@pytest.mark.skipif(os.getuid() != 0, reason="only root has a right that can be taken away")
def test_without_the_right_to_mount_a_user_namespace_is_used(tmp_path: Path) -> None:
    seen, how = started(tmp_path, preexec_fn=drop_mounting)
    if how.startswith("no mount namespace"):
        pytest.skip(f"no user namespaces here: {how}")
    assert how.startswith("user namespace")
    assert "data" in seen["opt"]
    assert seen["data"] == "/opt/data"


def test_where_nothing_may_be_mounted_the_layers_are_used_from_their_folder_in_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ENTRY.read_text().replace("kind = _namespace()", "raise OSError(1, 'Operation not permitted')")
    entry = tmp_path / "lambda_entry.py"
    entry.write_text(source)
    monkeypatch.setattr(sys.modules[__name__], "ENTRY", entry)
    seen, how = started(tmp_path)
    layers = str(tmp_path / "layers")
    assert how.startswith("no mount namespace")
    assert layers in how
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert seen["path"][:4] == [
        str(tmp_path / "task"),
        f"{layers}/python/lib/{version}/site-packages",
        f"{layers}/python",
        str(tmp_path / "runtime"),
    ]
    assert seen["data"] == f"{layers}/data", "variables that point into /opt point into the folder"
    assert seen["arguments"] == ["awslambdaric", "app.handler"]


def test_a_host_that_is_gone_before_the_function_starts_means_no_function(tmp_path: Path) -> None:
    settings = {"parent": 1, "handler": "x"}
    command = [sys.executable, "-S", str(ENTRY), json.dumps(settings)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 1


# --- unpacking ---


def test_zips_are_unpacked_over_each_other_without_write_permission(tmp_path: Path) -> None:
    unpack([zipped({"a": "1", "b": "1"}), zipped({"b": "2"})], tmp_path / "out")
    assert ((tmp_path / "out/a").read_text(), (tmp_path / "out/b").read_text()) == ("1", "2")
    assert (tmp_path / "out/a").stat().st_mode & 0o777 == 0o444
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["../escape", "/etc/escape", "a/../../escape"])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SandboxError, match="leaves its folder"):
        unpack([zipped({name: "x"})], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_executables_stay_executable_and_links_links(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, mode, text in (("run", 0o100755, "#!"), ("link", 0o120777, "run")):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            archive.writestr(entry, text)
    unpack([content.getvalue()], tmp_path / "out")
    assert (tmp_path / "out/run").stat().st_mode & 0o777 == 0o555
    assert (tmp_path / "out/link").readlink() == Path("run")


def test_two_that_unpack_the_same_at_once_both_succeed(tmp_path: Path) -> None:
    content = [zipped({f"f{number}": "x" for number in range(200)})]
    threads = [threading.Thread(target=unpack, args=(content, tmp_path / "out")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list((tmp_path / "out").iterdir())) == 200
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_layers_that_nobody_used_for_a_week_are_forgotten(tmp_path: Path) -> None:
    for name in ("old", "new"):
        unpack([zipped({"x": ""})], tmp_path / name)
    os.utime(tmp_path / "old", (0, 0))
    forget_unused(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


# --- HTTP ---


def exchanged(sent: bytes) -> tuple[bytes, list[Request]]:
    """What a server that answers "ok" sends back for raw bytes, and what it understood."""
    seen: list[Request] = []

    async def handler(request: Request) -> Response:
        seen.append(request)
        return Response(200, b"ok")

    async def run() -> bytes:
        server = await serve(handler)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        writer.write_eof()
        answer = await reader.read()
        server.close()
        return answer

    return asyncio.run(run()), seen


def test_several_requests_go_over_one_connection() -> None:
    one = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\nX-Y: z\r\n\r\nabc"
    answer, seen = exchanged(one + one)
    assert answer == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" * 2
    assert [(r.method, r.path, r.headers["x-y"], r.body) for r in seen] == [("POST", "/a", "z", b"abc")] * 2


def test_chunked_bodies_and_expectations_are_understood() -> None:
    head = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    answer, (request,) = exchanged(head + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")
    assert request.body == b"abcde"
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_a_client_that_leaves_in_the_middle_disturbs_nobody() -> None:
    assert exchanged(b"POST /a HTTP/1.1\r\nContent-Length: 30\r\n\r\nabc") == (b"", [])


# --- roles and versions ---


class FakeAccount:
    """Counts AssumeRole."""

    def __init__(self, lifetime: timedelta) -> None:
        self.asked = 0
        self.lifetime = lifetime

    def client(self, _: str) -> FakeAccount:
        return self

    def assume_role(self, **_: Any) -> dict[str, Any]:
        self.asked += 1
        keys = {"AccessKeyId": f"ASIA{self.asked}", "SecretAccessKey": "s", "SessionToken": "t"}
        return {"Credentials": {**keys, "Expiration": datetime.now(UTC) + self.lifetime}}


def test_credentials_are_shared_while_they_last_and_renewed_before_they_end() -> None:
    lasting = FakeAccount(timedelta(hours=1))
    roles = Roles(lasting)  # type: ignore[arg-type]
    assert roles.keys("role") is roles.keys("role")
    assert roles.keys("other") is not roles.keys("role")
    assert lasting.asked == 2
    ending = FakeAccount(timedelta(minutes=9))
    roles = Roles(ending)  # type: ignore[arg-type]
    first = roles.keys("role")
    assert not roles.fresh(first), "a process with these is replaced at its next invocation"
    assert roles.keys("role") is not first


def test_credentials_do_not_show_themselves() -> None:
    keys = RoleKeys("ASIA1", "very-secret", "token-text", datetime.now(UTC))
    assert "very-secret" not in f"{keys!r} {keys}"
    assert "token-text" not in repr(keys)


def test_a_changed_configuration_has_another_fingerprint() -> None:
    base: dict[str, Any] = {"FunctionName": "f", "Version": "1", "CodeSha256": "a", "Layers": [{"Arn": "l:1"}]}
    changes: list[dict[str, Any]] = [
        {"CodeSha256": "b"},
        {"Layers": [{"Arn": "l:2"}]},
        {"Environment": {"Variables": {"A": "1"}}},
        {"Timeout": 5},
        {"LoggingConfig": {"LogFormat": "JSON"}},
        {"EphemeralStorage": {"Size": 1024}},
        {"ImageUri": "repository:tag"},
        {"ImageConfigResponse": {"ImageConfig": {"Command": ["app.handler"]}}},
    ]
    prints = [fingerprint(base), *(fingerprint({**base, **change}) for change in changes)]
    assert len(set(prints)) == len(prints)
    assert fingerprint({**base, "LastModified": "now", "State": "Active"}) == prints[0]
