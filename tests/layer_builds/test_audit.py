"""`audit` against a small OSV service on the loopback; and hashes in every lock that is committed."""

from __future__ import annotations

import json
import re
import socket
import tomllib
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from layer_builds.__main__ import main
from layer_builds.host.interpreters import RUNTIMES_DIR
from layer_builds.host.processes import Completed, Log, Processes
from layer_builds.plan import (
    ALL_TARGETS,
    LAYERS_DIR,
    REPOSITORY,
    RUNTIMES,
    LayerBuildError,
    Lock,
    Pin,
    Target,
    layer_names,
    load_layer,
    load_lock,
    lock_inputs,
)
from layer_builds.ship.audit import CONTROL, EXIT_CLEAN, EXIT_FOUND, EXIT_UNKNOWN, audit
from layer_builds.ship.audit_report import text
from layer_builds.ship.exceptions import load_exceptions
from layer_builds.ship.pins import collect_pins
from tests.layer_builds.osv_server import H11, REQUESTS, OsvServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ARM = Target("python3.13", "arm64")
INTEL = Target("python3.12", "x86_64")
SHA = "a" * 64
TODAY = datetime.now(tz=UTC).date()


@pytest.fixture(autouse=True)
def no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[OsvServer]:
    with OsvServer(H11, REQUESTS) as server:
        # The index is asked whether a project is quarantined: in tests on the loopback too.
        monkeypatch.setenv("UV_DEFAULT_INDEX", server.index)
        yield server


def locked_layer(root: Path, versions: dict[Target, str], name: str = "web-client") -> None:
    """A layer as somebody committed it some time ago: its locks are of its requirements, and of that day."""
    folder = root / name
    (folder / "locks").mkdir(parents=True)
    (folder / "layer.toml").write_text('description = "a client"\nbytecode = "none"\n')
    (folder / "requirements.in").write_text("httpx\n")
    (folder / "smoke.py").write_text("def smoke():\n    return {}\n")
    layer = load_layer(name, root=root)
    for target, version in versions.items():
        pins = (
            Pin("h11", version, SHA, f"h11-{version}-py3-none-any.whl", ("httpcore",)),
            Pin("httpcore", "1.0.9", SHA, "httpcore-1.0.9-py3-none-any.whl", ("httpx",)),
            Pin("httpx", "0.28.1", SHA, "httpx-0.28.1-py3-none-any.whl", ("requirements.in",)),
        )
        layer.lock_path(target).write_text(Lock(lock_inputs(layer, target), pins).text(target))


def run(root: Path, server: OsvServer, *more: str) -> int:
    words = ["audit", "web-client", "--layers-dir", str(root), "--exceptions", str(root / "audit.toml")]
    return main([*words, "--service-url", server.url, *more])


def accept(root: Path, until: date = TODAY, advisory: str = "CVE-2025-43859", package: str = "h11") -> None:
    (root / "audit.toml").write_text(
        f'[[accepted]]\nadvisory = "{advisory}"\npackage = "{package}"\nreason = "no server here"\nuntil = {until}\n'
    )


def test_a_lock_that_lags_a_fixed_vulnerability_is_shown_with_the_remedy(
    tmp_path: Path, service: OsvServer, capsys: pytest.CaptureFixture[str]
) -> None:
    locked_layer(tmp_path, {ARM: "0.14.0", INTEL: "0.14.0"})
    assert run(tmp_path, service) == EXIT_FOUND
    shown = capsys.readouterr().out
    assert "h11 0.14.0: GHSA-vqfr-h8mv-ghfj (CVE-2025-43859)" in shown
    assert "h11 accepts some malformed Chunked-Encoding bodies" in shown
    assert "pinned by layer web-client (python3.12-x86_64, python3.13-arm64), required by httpcore" in shown
    assert "fixed in 0.16.0: run `make upgrade PACKAGE=h11`" in shown
    assert "3 pinned versions in 2 locks: 1 known vulnerability" in shown
    assert "requests" not in shown  # the control is asked about and is no finding


def test_only_the_target_that_lags_is_named(
    tmp_path: Path, service: OsvServer, capsys: pytest.CaptureFixture[str]
) -> None:
    locked_layer(tmp_path, {ARM: "0.16.0", INTEL: "0.14.0"})
    assert run(tmp_path, service, "--json") == EXIT_FOUND
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["places"] == [{"lock": "layer web-client", "target": "python3.12-x86_64", "via": ["httpcore"]}]
    assert (finding["version"], finding["fixed"]) == ("0.14.0", ["0.16.0"])


def test_after_the_upgrade_nothing_is_shown(
    tmp_path: Path, service: OsvServer, capsys: pytest.CaptureFixture[str]
) -> None:
    locked_layer(tmp_path, {ARM: "0.16.0"})
    assert run(tmp_path, service) == EXIT_CLEAN
    assert "no known vulnerabilities" in capsys.readouterr().out
    assert sorted(service.asked) == [("h11", "0.16.0"), ("httpcore", "1.0.9"), ("httpx", "0.28.1"), CONTROL]


def test_a_service_that_cannot_be_reached_is_an_error_and_never_a_clean_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    locked_layer(tmp_path, {ARM: "0.16.0"})
    with socket.socket() as unused:  # bound and not listening: connections are refused
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{closed}simple")
        assert main(["audit", "web-client", "--layers-dir", str(tmp_path), "--service-url", closed]) == EXIT_UNKNOWN
    output = capsys.readouterr()
    assert f"the vulnerability service {closed} could not be asked, so nothing is known about 3 pinned" in output.err
    assert "no known" not in output.out + output.err


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"{}"),
        (404, b"not here"),
        (200, b"<html>log in to the network</html>"),
        (200, b'{"hello": 1}'),
        (429, b""),
    ],
)
def test_a_service_that_answers_badly_is_an_error_and_never_a_clean_audit(
    tmp_path: Path, service: OsvServer, capsys: pytest.CaptureFixture[str], status: int, body: bytes
) -> None:
    locked_layer(tmp_path, {ARM: "0.16.0"})
    service.fail = (status, body)
    assert run(tmp_path, service) == EXIT_UNKNOWN
    output = capsys.readouterr()
    assert "could not be asked" in output.err
    assert "known vulnerabilities" not in output.out


@pytest.mark.parametrize("body", [b'{"results": []}', b'{"results": [{}, {}, {}, {}]}'])
def test_a_service_that_knows_nothing_is_an_error_and_never_a_clean_audit(
    tmp_path: Path, service: OsvServer, capsys: pytest.CaptureFixture[str], body: bytes
) -> None:
    # uv itself takes both for a clean audit: an empty mirror, and a list of results that is cut off.
    locked_layer(tmp_path, {ARM: "0.14.0"})
    service.fail = (200, body)
    assert run(tmp_path, service) == EXIT_UNKNOWN
    assert "has nothing against requests 2.19.0, whose CVE-2018-18074" in capsys.readouterr().err


def test_the_control_in_a_lock_is_a_finding_like_any_other(service: OsvServer) -> None:
    found = audit({CONTROL: []}, Processes(Log()), today=TODAY, service=service.url, index=service.index)
    assert found.findings == ()  # pinned nowhere
    place = next(iter(collect_pins([], RUNTIMES_DIR, None).values()))
    found = audit({CONTROL: place}, Processes(Log()), today=TODAY, service=service.url, index=service.index)
    assert [one.advisory for one in found.findings] == ["PYSEC-2018-28"]


def test_an_accepted_advisory_is_named_by_any_of_its_names_and_stays_visible(
    tmp_path: Path, service: OsvServer, capsys: pytest.CaptureFixture[str]
) -> None:
    locked_layer(tmp_path, {ARM: "0.14.0"})
    accept(tmp_path)
    assert run(tmp_path, service) == EXIT_CLEAN
    shown = capsys.readouterr().out
    assert f"accepted until {TODAY}: GHSA-vqfr-h8mv-ghfj of h11 0.14.0, pinned by layer web-client" in shown
    assert "no server here" in shown
    accept(tmp_path, package="httpx")
    assert run(tmp_path, service) == EXIT_FOUND  # of another package


def test_an_exception_ends_after_its_last_day(
    tmp_path: Path, service: OsvServer, capsys: pytest.CaptureFixture[str]
) -> None:
    locked_layer(tmp_path, {ARM: "0.14.0"})
    yesterday = TODAY - timedelta(days=1)
    accept(tmp_path, until=yesterday)
    assert run(tmp_path, service) == EXIT_FOUND
    assert f"CVE-2025-43859 of h11 was accepted until {yesterday}, so it counts again" in capsys.readouterr().out


def test_an_exception_that_nothing_needs_is_to_be_deleted(
    tmp_path: Path, service: OsvServer, capsys: pytest.CaptureFixture[str]
) -> None:
    locked_layer(tmp_path, {ARM: "0.16.0"})
    accept(tmp_path)
    assert run(tmp_path, service) == EXIT_CLEAN
    assert "CVE-2025-43859 of h11 is not known against anything that is pinned: delete it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[accepted]]\n", "`advisory` of accepted advisory 1 is None"),
        ('[[accepted]]\nadvisory = "A"\npackage = "p"\nreason = " "\nuntil = 2027-01-01\n', "`reason` .* is ' '"),
        ('[[accepted]]\nadvisory = "A"\npackage = "p"\nreason = "r"\nuntil = "2027"\n', "`until` .* is '2027'"),
        ('[[accepted]]\nadvisory = "A"\npackage = "p"\nreason = "r"\nuntil = 2027-01-01\nx = 1\n', "`x` .* is 1"),
        ("[[ignored]]\n", "tables of .*accepted"),
        ("accepted = 1\n", "tables of .*accepted"),
        ("accepted = [1]\n", "`advisory` of accepted advisory 1"),
        ("[[", "not TOML"),
    ],
)
def test_an_exception_without_a_reason_or_a_day_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "audit.toml").write_text(text)
    with pytest.raises(LayerBuildError, match=message):
        load_exceptions(tmp_path / "audit.toml")


def test_the_projects_own_exceptions_can_be_read() -> None:
    assert load_exceptions(LAYERS_DIR.parent / "audit.toml") is not None
    assert load_exceptions(LAYERS_DIR / "nothing.toml") == ()


def test_without_a_fixed_version_the_remedy_is_another(
    tmp_path: Path, service: OsvServer, capsys: pytest.CaptureFixture[str]
) -> None:
    locked_layer(tmp_path, {ARM: "0.14.0"})
    unfixed = json.loads(json.dumps(H11))
    unfixed["affected"][0]["ranges"][0]["events"].pop()
    service.advisories[unfixed["id"]] = unfixed
    assert run(tmp_path, service) == EXIT_FOUND
    shown = capsys.readouterr().out
    assert "no version is rid of it yet" in shown
    assert "make upgrade" not in shown


def test_a_fix_of_an_older_release_line_is_not_offered(
    tmp_path: Path, service: OsvServer, capsys: pytest.CaptureFixture[str]
) -> None:
    locked_layer(tmp_path, {ARM: "0.14.0"})
    lines = json.loads(json.dumps(H11))
    lines["affected"][0]["ranges"] = [
        {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "0.9.5"}]},
        {"type": "ECOSYSTEM", "events": [{"introduced": "0.10.0"}, {"fixed": "0.16.0"}]},
    ]
    service.advisories[lines["id"]] = lines
    assert run(tmp_path, service) == EXIT_FOUND
    assert "fixed in 0.16.0:" in capsys.readouterr().out


def test_a_project_that_its_index_has_quarantined_is_a_finding_and_an_archived_one_is_a_remark(
    tmp_path: Path, service: OsvServer, capsys: pytest.CaptureFixture[str]
) -> None:
    locked_layer(tmp_path, {ARM: "0.16.0"})
    service.statuses["httpx"] = "archived"
    assert run(tmp_path, service) == EXIT_CLEAN
    assert "httpx is archived on its index" in capsys.readouterr().out
    service.statuses["httpx"] = "quarantined"
    assert run(tmp_path, service) == EXIT_FOUND


def test_a_layer_without_a_lock_is_an_error_with_the_command(
    tmp_path: Path, service: OsvServer, capsys: pytest.CaptureFixture[str]
) -> None:
    locked_layer(tmp_path, {})
    assert run(tmp_path, service) == EXIT_UNKNOWN
    assert "python -m layer_builds lock web-client" in capsys.readouterr().err


def test_the_whole_project_is_asked_about_in_one_batch(service: OsvServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--service-url", service.url]) == EXIT_CLEAN
    asked = dict(service.asked)
    assert len(service.asked) == len(set(service.asked))
    assert {"openai", "boto3", "awslambdaric", "pulumi", "ruff"} <= set(asked)  # a layer's, the runtime's, uv.lock's
    assert re.search(r"\d+ pinned versions in \d+ locks: no known vulnerabilities", capsys.readouterr().out)


def test_a_password_in_an_index_address_reaches_no_message(
    tmp_path: Path, service: OsvServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    locked_layer(tmp_path, {ARM: "0.16.0"})
    service.fail = (500, b"{}")
    address = service.url.replace("http://", "http://reader:hunter2secret@")
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{address}simple")
    assert main(["audit", "web-client", "--layers-dir", str(tmp_path), "--service-url", address]) == EXIT_UNKNOWN
    output = capsys.readouterr()
    assert "hunter2secret" not in output.out + output.err


def test_a_report_of_another_shape_is_an_error_that_says_so(service: OsvServer) -> None:
    def other(*_: object, **__: object) -> Completed:
        return Completed(0, '{"findings": []}', "")

    with pytest.raises(LayerBuildError, match="a report of another shape"):
        audit({CONTROL: []}, other, today=TODAY, service=service.url, index=service.index)


def test_the_account_of_a_clean_audit_names_the_service(service: OsvServer) -> None:
    found = audit({("h11", "0.16.0"): []}, Processes(Log()), today=TODAY, service=service.url, index=service.index)
    assert text(found).endswith(f"no known vulnerabilities, says {service.url}")


def test_every_pin_of_every_layer_has_a_hash_and_every_asset_a_sha256() -> None:
    assert layer_names(LAYERS_DIR)
    for name in layer_names(LAYERS_DIR):
        layer = load_layer(name)
        locks = sorted((layer.directory / "locks").glob("*.txt"))
        assert locks
        assert {path.stem for path in locks} <= {str(target) for target in ALL_TARGETS}
        for path in locks:
            lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
            assert lines or layer.assets or layer.local
            for line in lines:
                assert re.fullmatch(r"[a-z0-9-]+==\S+ --hash=sha256:[0-9a-f]{64}", line), f"{path.name}: {line}"
        for target in ALL_TARGETS:
            if layer.lock_path(target).is_file():
                assert all(re.fullmatch(r"[0-9a-f]{64}", pin.sha256) for pin in load_lock(layer, target).pins)
        declared = tomllib.loads((layer.directory / "layer.toml").read_text())
        for asset in declared.get("assets", []):
            assert re.fullmatch(r"[0-9a-f]{64}", asset["sha256"]), asset["path"]
            assert "wheel" not in asset or re.fullmatch(r"[0-9a-f]{64}", asset["wheel_sha256"]), asset["path"]


def test_every_pin_of_the_runtimes_stand_in_has_a_hash() -> None:
    for runtime in RUNTIMES.values():
        lines = (RUNTIMES_DIR / f"python{runtime.python}.txt").read_text().replace("\\\n", " ").splitlines()
        pins = [line for line in lines if line.strip() and not line.strip().startswith("#")]
        assert pins
        for line in pins:
            requirement, *hashes = line.split("--hash=")
            assert len(Requirement(requirement.strip()).specifier) == 1
            assert hashes, f"{runtime.name}: {line[:80]}"
            assert all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*(#.*)?", one.strip()) for one in hashes), line[:80]


def test_every_package_of_uv_lock_has_hashes() -> None:
    packages = tomllib.loads((REPOSITORY / "uv.lock").read_text())["package"]
    for package in packages:
        if "registry" in package["source"]:
            files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
            assert files, package["name"]
            assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one["hash"]) for one in files), package["name"]
