"""Programs that are started: credentials stay out of logs and errors, and the environment says nothing of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from layer_builds.host.folders import build_dir
from layer_builds.host.interpreters import find_interpreter, runtime_root
from layer_builds.host.processes import Log, Processes, clean_environment, find_uv, redact
from layer_builds.plan import LayerBuildError
from tests.bootstrap.index import Authority, serve

SECRET = "s3cr3t-p%40ss"


def test_a_password_in_an_index_address_reaches_neither_log_nor_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX_URL", f"https://user:{SECRET}@host/simple")
    monkeypatch.setenv("UV_INDEX_PRIVATE_PASSWORD", "another-secret")
    code = (
        "import os, sys; print(os.environ['UV_INDEX_URL']); "
        "print('401 for user with s3cr3t-p@ss and another-secret', file=sys.stderr)"
    )
    done = Processes(Log(tmp_path / "x.log"))([sys.executable, "-c", code, f"https://user:{SECRET}@host/"])
    everything = done.stdout + done.stderr + (tmp_path / "x.log").read_text()
    for secret in (SECRET, "s3cr3t-p@ss", "another-secret"):
        assert secret not in everything
    assert "https://***@host/simple" in done.stdout


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"UV_EXTRA_INDEX_URL": "https://a/x https://u:firstsecret@b/x"}, "firstsecret"),
        ({"UV_INDEX": "mine=https://u:namedsecret@b/x"}, "namedsecret"),
        ({"UV_PUBLISH_TOKEN": "tokensecret"}, "tokensecret"),
    ],
)
def test_every_way_to_configure_a_password_is_known(environ: dict[str, str], text: str) -> None:
    assert text not in redact(f"error: {text} is wrong", environ)


def test_variables_that_would_change_a_build_are_not_passed_on() -> None:
    kept = clean_environment(
        {
            "UV_COMPILE_BYTECODE": "1",
            "UV_LINK_MODE": "hardlink",
            "UV_PYTHON_PLATFORM": "windows",
            "UV_NO_VERIFY_HASHES": "1",
            "PYTHONPATH": "/x",
            "PYTHONHASHSEED": "1",
            "VIRTUAL_ENV": "/venv",
            "UV_INDEX_URL": "https://host/",
            "UV_CACHE_DIR": "/cache",
            "HTTPS_PROXY": "http://proxy",
            "HOME": "/root",
        }
    )
    assert set(kept) == {"UV_INDEX_URL", "UV_CACHE_DIR", "HTTPS_PROXY", "HOME", "UV_PYTHON_DOWNLOADS"}
    assert kept["UV_PYTHON_DOWNLOADS"] == "never"


def test_uvs_advice_about_certificates_can_be_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a proxy that inspects TLS: uv names an option of its own, and it is us who start uv."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    with serve(tmp_path, Authority(tmp_path / "authority")) as index:
        command = ["pip", "install", "--no-cache", "--python", sys.executable, "--target", str(tmp_path / "x")]
        done = Processes(Log())([find_uv(), *command, "--default-index", index.simple, "tiny"])
    assert done.returncode != 0
    assert "invalid peer certificate" in done.stderr
    assert "certificates with `export UV_SYSTEM_CERTS=true`" in done.stderr


def test_a_program_that_is_missing_or_hangs_is_named() -> None:
    run = Processes(Log())
    with pytest.raises(LayerBuildError, match="no-such-program is not there"):
        run(["no-such-program"])
    with pytest.raises(LayerBuildError, match="did not end within 0 s and was stopped"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], timeout_seconds=0.2)


def test_the_running_python_is_found_and_a_shim_that_fails_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import platform

    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    find_interpreter.cache_clear()
    assert find_interpreter(platform.python_version()).exists()
    with pytest.raises(LayerBuildError, match=r"CPython 3\.13\.99.*run `uv python install 3\.13\.99`"):
        find_interpreter("3.13.99")
    find_interpreter.cache_clear()


@pytest.mark.slow
def test_the_runtimes_stand_in_has_boto3_and_the_runtime_client() -> None:
    home = runtime_root(Path(sys.executable))
    assert (home / "boto3").is_dir()
    assert (home / "awslambdaric").is_dir()
    assert home.is_relative_to(build_dir())
    assert runtime_root(Path(sys.executable)) == home
