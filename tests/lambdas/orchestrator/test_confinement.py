"""What the agents' process cannot do, each way by itself, and what of the function's process it cannot see."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

WAYS = {
    "another port": 'socket.create_connection(("127.0.0.1", other), 5)',
    "another address": 'socket.create_connection(("127.0.0.2", model), 5)',
    "a name": 'socket.getaddrinfo("example.com", 443)',
    "a name, below the module": '_socket.getaddrinfo("secret.example.com", model)',
    "gethostbyname": 'socket.gethostbyname("secret.example.com")',
    "gethostbyname_ex": 'socket.gethostbyname_ex("secret.example.com")',
    "gethostbyaddr": 'socket.gethostbyaddr("192.0.2.1")',
    "getnameinfo": 'socket.getnameinfo(("192.0.2.1", 80), 0)',
    "the metadata service": 'urllib.request.urlopen("http://169.254.169.254/latest/meta-data/", timeout=5)',
    "sendto": 'udp().sendto(b"x", ("127.0.0.1", other))',
    "sendmsg": 'udp().sendmsg([b"x"], [], 0, ("127.0.0.2", model))',
    "a UDP connection": 'udp().connect(("127.0.0.2", model))',
    "a local socket": 'socket.socket(socket.AF_UNIX).connect("/tmp/x")',
    "a server": 'socket.socket().bind(("127.0.0.1", 0))',
    "a program": 'subprocess.run(["id"])',
    "a shell": 'os.system("id")',
    "a fork": "os.fork()",
    "a library": 'ctypes.CDLL("libc.so.6")',
    "a library's function": "ctypes.pythonapi.system",
    "the parent's environment": 'open(f"/proc/{os.getppid()}/environ").read()',
    "the parent's memory": 'os.open(f"/proc/{os.getppid()}/mem", os.O_RDONLY)',
    "the parent by another way": 'open(f"/proc/self/root/proc/self/../{os.getppid()}/environ").read()',
    "the parent as bytes": 'open(f"//proc/{os.getppid()}/environ".encode()).read()',
    "the parent from its folder": '(os.chdir(f"/proc/{os.getppid()}"), open("environ").read())',
    "the parent's descriptors": 'os.listdir(f"/proc/{os.getppid()}/fd")',
    "the processes": 'os.open("/proc", os.O_RDONLY)',
    "the processes by a descriptor": 'open(f"{os.getppid()}/environ", opener=lambda p, f: os.open(p, f, dir_fd=proc))',
}
START = """
import ctypes, os, socket, subprocess, sys, urllib.request, _socket
from coderipple.agents.confinement import confine
model, other = int(sys.argv[1]), int(sys.argv[2])
proc = os.open("/proc", os.O_RDONLY)
udp = lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
confine("localhost", model)
"""
TRY = """
def attempt():
    {way}
try:
    print("done", attempt())
except OSError as error:
    told = ("not the model's host", "another host", "in the agents' process", "another process")
    known = type(error).__name__ == "ConfinementError" or any(words in str(error) for words in told)
    print("refused" if known else repr(error))
"""


def confined(code: str, *ports: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", START + code, *map(str, ports)],
        env={"PYTHONPATH": ":".join(sys.path), "AWS_SESSION_TOKEN": "x"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.strip() or done.stderr


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_agents_process_reaches_nothing_but_its_model(way: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as model, socket.create_server(("127.0.0.1", 0)) as other:
        ports = model.getsockname()[1], other.getsockname()[1]
        assert confined(TRY.format(way=way), *ports) == "refused"


def test_the_agents_process_reaches_its_model_by_name_and_reads_what_is_its_own() -> None:
    code = """
with socket.create_connection(("localhost", model), 5) as one:
    one.sendmsg([b"x"])
    one.sendall(b"x")
open("/proc/self/status").read(), open(f"/proc/{os.getpid()}/status").read(), open("/proc/meminfo").read()
open(os.devnull).read(), os.listdir("/")
print("done")
"""
    with socket.create_server(("127.0.0.1", 0)) as model:
        assert confined(code, model.getsockname()[1], 9) == "done"


HIDDEN = """
import ctypes, os, subprocess, sys
from coderipple.agents.confinement import hide_memory
os.setgroups([]), os.setgid(65_534), os.setuid(65_534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # becoming another user hides it, too
if sys.argv[1] == "hidden":
    hide_memory()
script = "cd /proc/$PPID; for name in environ status; do cat $name >&2 && echo $name; done; ls task >&2 && echo task"
subprocess.run(["/bin/sh", "-c", script], check=False)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux") or os.getuid() != 0, reason="becomes another user")
def test_a_process_that_hides_its_memory_is_not_read_by_others_of_its_user() -> None:
    """As in Lambda, where the function is no root; the sandbox reads `status` and `task` of it all the same."""
    seen = [
        subprocess.run(
            [sys.executable, "-c", HIDDEN, how],
            env={"PYTHONPATH": ":".join(sys.path), "AWS_SESSION_TOKEN": "x"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        for how in ("shown", "hidden")
    ]
    assert [one.stdout.split() for one in seen] == [["environ", "status", "task"], ["status", "task"]], seen


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux")
def test_the_function_hides_its_memory_before_it_starts_an_agent() -> None:
    code = """
import ctypes, subprocess
from coderipple import agent_runner
def started(*_, **__):
    print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
    raise SystemExit
agent_runner.subprocess.Popen = started
from types import SimpleNamespace
agent_runner.run_agent(SimpleNamespace(agent="historian"), {}, "", None, None)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "0", done.stderr
