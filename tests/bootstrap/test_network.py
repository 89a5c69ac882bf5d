"""What uv is told from pip's configuration, where it is not told itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from scripts import network

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(network, "ETC", tmp_path / "etc")
    (tmp_path / "ca.pem").touch()
    return tmp_path


def told(
    home: Path, variables: Mapping[str, str] | None = None, *, system_certificates: bool = False
) -> dict[str, str]:
    """What is added, on a machine that has nothing but what is given."""
    given = {"HOME": str(home), "XDG_CONFIG_DIRS": str(home / "xdg"), "PIP_CONFIG_FILE": str(home / "own.conf")}
    given |= variables or {}
    found = network.environment(given, system_certificates=system_certificates)
    return {name: value for name, value in found.items() if name not in given}


def write(file: Path, section: str, **settings: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{name.replace('_', '-')} = {value}" for name, value in settings.items()]
    file.write_text("\n".join([f"[{section}]", *lines]) + "\n")


@pytest.mark.parametrize("section", ["global", "install"])
@pytest.mark.parametrize(
    "place", ["etc/pip.conf", "xdg/pip/pip.conf", ".pip/pip.conf", ".config/pip/pip.conf", "own.conf"]
)
def test_pips_files_are_read(home: Path, section: str, place: str) -> None:
    write(home / place, section, cert=f"{home}/ca.pem", index_url="https://index.example/simple")
    assert told(home) == {"SSL_CERT_FILE": f"{home}/ca.pem", "UV_DEFAULT_INDEX": "https://index.example/simple"}


def test_the_nearer_file_and_the_command_of_its_own_win_and_a_variable_over_all(home: Path) -> None:
    write(home / ".pip/pip.conf", "global", index_url="https://far.example")
    write(home / ".config/pip/pip.conf", "global", index_url="https://near.example")
    assert told(home)["UV_DEFAULT_INDEX"] == "https://near.example"
    write(home / ".pip/pip.conf", "install", index_url="https://install.example")
    assert told(home)["UV_DEFAULT_INDEX"] == "https://install.example"
    assert told(home, {"PIP_INDEX_URL": "https://variable.example"})["UV_DEFAULT_INDEX"] == "https://variable.example"
    assert told(home, {"PIP_CONFIG_FILE": os.devnull}) == {}


@pytest.mark.parametrize("name", ["PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_come_from_what_pip_reads(home: Path, name: str) -> None:
    assert told(home, {name: f"{home}/ca.pem"}) == {"SSL_CERT_FILE": f"{home}/ca.pem"}
    assert told(home, {name: str(home)}) == {"SSL_CERT_DIR": str(home)}
    assert told(home, {name: f"{home}/gone.pem"}) == {}
    assert told(home, {name: f"{home}/ca.pem"}, system_certificates=True) == {"UV_SYSTEM_CERTS": "true"}


@pytest.mark.parametrize("name", network.CERTIFICATE_VARIABLES)
@pytest.mark.parametrize("system_certificates", [False, True])
def test_whoever_tells_uv_decides(home: Path, name: str, system_certificates: bool) -> None:
    variables = {name: "x", "UV_INDEX": "https://own.example", "PIP_INDEX_URL": "https://pip.example"}
    variables["PIP_CERT"] = f"{home}/ca.pem"
    assert told(home, variables, system_certificates=system_certificates) == {}


def test_a_file_that_pip_could_not_read_either_is_passed_over(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / ".pip").mkdir()
    (home / ".pip/pip.conf").write_bytes(b"cert = \xff")
    write(home / ".config/pip/pip.conf", "global", cert=f"{home}/ca.pem")
    assert told(home) == {"SSL_CERT_FILE": f"{home}/ca.pem"}
    assert f"{home}/.pip/pip.conf was passed over" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("problem", "remedy"),
    [
        ("cause: invalid peer certificate: UnknownIssuer", "`export SSL_CERT_FILE="),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate", "`export SSL_CERT_FILE="),
        ("error: Failed to fetch: https://index.example/simple/six/", "`export UV_DEFAULT_INDEX="),
        ("No matching distribution found for uv", "check this machine's network"),
        ("[Errno 28] No space left on device: and without pip: <urlopen error timed out>", "The disk is full"),
        ("failed to copy file: No space left on device (os error 28)", "The disk is full"),
        ("Failed to download `x`: Disk quota exceeded (os error 122)", "The disk is full"),
    ],
)
def test_what_to_do_is_one_line(problem: str, remedy: str) -> None:
    said, todo = network.explained(problem).split("\n")
    assert (said, remedy in todo) == (problem, True)


def test_what_is_neither_the_networks_doing_nor_the_disks_is_left_as_it_is() -> None:
    assert network.explained("error: the lock is broken") == "error: the lock is broken"
