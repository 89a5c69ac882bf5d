"""A child that loops, bursts, crashes, lies or sleeps: the parent is told what happened, and nothing is left over."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lambdas.shared import child, child_process
from lambdas.shared.child import Ending, How
from lambdas.shared.child_process import MIB, Limits, Send
from tests.lambdas.memory import beyond_the_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIBC = ctypes.CDLL(None, use_errno=True)
LIMITS = Limits(cpu_seconds=20, wall_seconds=60, memory_bytes=128 * MIB)


def limits(**changes: Any) -> Limits:
    return Limits(**{name: getattr(LIMITS, name) for name in LIMITS.__slots__} | changes)


def run(work: Callable[[Send], Any], limits: Limits = LIMITS) -> tuple[Ending, list[tuple[Any, bytes]]]:
    received: list[tuple[Any, bytes]] = []
    ending = child.run(work, limits, lambda value, blob: received.append((value, blob)))
    return ending, received


def descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


def children() -> set[str]:
    """Of this process, dead ones that nobody waited for included."""
    found: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended since it was listed
            found.update((task / "children").read_text().split())
    return found


@pytest.fixture(scope="module", autouse=True)
def _what_was_there_is_left_alone() -> Iterator[None]:
    """A collection looks at the objects of these tests only, not at those of thousands before them."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """What an earlier test left to the garbage collector may go meanwhile: only what is new counts."""
    gc.collect()
    before = descriptors(), children()
    yield
    assert not descriptors() - before[0]
    assert not children() - before[1]


def test_what_the_work_sends_and_returns_arrives_in_order() -> None:
    blob = os.urandom(3 * MIB)

    def work(send: Send) -> dict[str, Any]:
        send({"page": 1, "text": "Grüße, \ud800 漢字"})
        send({"page": 2}, blob)
        return {"pages": 2}

    ending, received = run(work)
    assert received == [({"page": 1, "text": "Grüße, \ud800 漢字"}, b""), ({"page": 2}, blob)]
    assert (ending.how, ending.value, ending.error, ending.detail) == (How.FINISHED, {"pages": 2}, "", "")
    assert 0 < ending.wall_seconds < 30


def test_the_child_sees_what_the_parent_has_and_changes_nothing_of_it() -> None:
    document = {"bytes": b"%PDF"}

    def work(send: Send) -> int:
        document["bytes"] += b"-1.7"
        return len(document["bytes"])

    assert run(work)[0].value == 8
    assert document == {"bytes": b"%PDF"}


def test_an_exception_comes_back_as_its_class_message_and_place() -> None:
    def work(send: Send) -> None:
        send(1)
        raise LookupError("no page 7")

    ending, received = run(work)
    assert (ending.how, ending.error, ending.detail) == (How.RAISED, "LookupError", "no page 7")
    assert ending.trace.startswith("test_child.py:")
    assert received == [(1, b"")]


def _overflow_the_recursion(send: Send) -> None:
    _overflow_the_recursion(send)


class Panic(BaseException):
    """As Rust's, which is no Exception."""


def _panic(send: Send) -> None:
    raise Panic("stack overflow in a regular expression")


@pytest.mark.parametrize(
    ("work", "error"),
    [
        (_overflow_the_recursion, "RecursionError"),
        (_panic, "Panic"),
        (lambda send: sys.exit(3), "SystemExit"),
        (lambda send: send(object()), "TypeError"),
        (lambda send: object(), "TypeError"),
    ],
)
def test_whatever_is_raised_is_an_ending(work: Callable[[Send], Any], error: str) -> None:
    ending, _ = run(work)
    assert (ending.how, ending.error) == (How.RAISED, error)


def _loop_in_c(send: Send) -> None:
    send("before")
    sum(iter(int, 1))  # no bytecode between two turns: a signal handler of Python's would never run


def test_a_loop_without_end_in_c_ends_at_the_limit_of_processor_time() -> None:
    ending, received = run(_loop_in_c, limits(cpu_seconds=1))
    assert ending.how is How.CPU_TIME
    assert ending.timed_out
    assert 0.5 < ending.cpu_seconds < 10  # the kernel counts in ticks, and a busy machine looks at it late
    assert received == [("before", b"")]


def test_a_piece_of_the_work_can_have_a_limit_of_its_own() -> None:
    def work(send: Send) -> None:
        for piece in range(3):
            child_process.allow(1)
            until = time.process_time() + 0.7
            while time.process_time() < until:
                pass
            send(piece)
        child_process.allow(1)
        _loop_in_c(send)

    ending, received = run(work)
    assert ending.how is How.CPU_TIME
    assert [value for value, _ in received] == [0, 1, 2, "before"]
    assert ending.cpu_seconds < 8


@pytest.mark.parametrize("work", [lambda send: time.sleep(600), lambda send: _stop_caring(), lambda send: LIBC.pause()])
def test_a_child_that_sleeps_ends_at_the_limit_of_time_on_the_clock(work: Callable[[Send], Any]) -> None:
    ending, _ = run(work, limits(wall_seconds=0.5))
    assert (ending.how, ending.detail) == (How.WALL_TIME, "not done after 0.5 s")
    assert ending.timed_out
    assert 0.5 <= ending.wall_seconds < 20


def _stop_caring() -> None:
    """Ignores all that can be ignored."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU):
        signal.signal(number, signal.SIG_IGN)
    signal.pause()


def _bytes_without_end(send: Send) -> None:
    kept = []
    while True:
        kept.append(b"x" * MIB)


def _one_array(send: Send) -> None:
    np.ones(8 * 1024 * MIB, np.uint8)


def _small_objects(send: Send) -> None:
    kept: list[Any] = []
    while True:
        kept.append([len(kept)])


@pytest.mark.parametrize("work", [_bytes_without_end, _one_array, _small_objects])
def test_a_memory_bomb_is_told_as_such(work: Callable[[Send], None]) -> None:
    most = LIMITS.memory_bytes + beyond_the_limit()
    ending, _ = run(work)
    assert (ending.how, ending.detail) == (How.MEMORY, "more than 128 MiB")
    assert ending.peak_bytes <= most


def _abort_when_malloc_fails(send: Send) -> None:
    LIBC.malloc.restype = ctypes.c_void_p
    while block := LIBC.malloc(ctypes.c_size_t(MIB)):
        ctypes.memset(block, 1, MIB)
    os.abort()


def test_a_library_that_aborts_when_it_gets_no_memory_is_out_of_memory() -> None:
    ending, _ = run(_abort_when_malloc_fails)
    assert ending.how is How.MEMORY
    assert ending.detail.startswith("SIGABRT, with ")


def test_reserved_address_space_is_no_memory_and_the_limit_is_beyond_what_the_parent_has() -> None:
    ballast = b"x" * (2 * LIMITS.memory_bytes)

    def work(send: Send) -> int:
        no_access, private_anonymous = 0, 0x4022
        LIBC.mmap.restype = ctypes.c_void_p
        place = LIBC.mmap(None, ctypes.c_size_t(64 * 1024 * MIB), no_access, private_anonymous, -1, 0)
        assert place not in (None, ctypes.c_void_p(-1).value)
        return len(ballast) + len(b"y" * (LIMITS.memory_bytes // 2))

    ending, _ = run(work)
    assert (ending.how, ending.value) == (How.FINISHED, 2.5 * LIMITS.memory_bytes)
    assert ending.peak_bytes < LIMITS.memory_bytes


@pytest.mark.parametrize(
    ("work", "detail"),
    [
        (lambda send: ctypes.string_at(8), "SIGSEGV, with "),
        (lambda send: os.abort(), "SIGABRT, with "),
        (lambda send: os._exit(7), "left with exit code 7"),
        (lambda send: os._exit(0), "left with exit code 0"),
        (lambda send: os.kill(os.getpid(), signal.SIGTERM), "SIGTERM, with "),
    ],
)
def test_a_crash_is_told_and_keeps_what_came_before(work: Callable[[Send], Any], detail: str) -> None:
    def pages_first(send: Send) -> None:
        for page in range(100):
            send(page, b"p" * 1000)
        work(send)

    ending, received = run(pages_first)
    assert ending.how is How.CRASHED
    assert ending.detail.startswith(detail)
    assert [value for value, _ in received] == list(range(100))


def test_what_the_kernel_kills_has_run_out_of_the_machines_memory() -> None:
    ending, _ = run(lambda send: os.kill(os.getpid(), signal.SIGKILL))
    assert (ending.how, ending.detail) == (How.MEMORY, "killed: the machine ran out of memory")


def test_half_a_frame_is_nothing() -> None:
    def work(send: Send) -> None:
        send("whole")
        writer = _pipe()
        os.write(writer, child_process.HEADER.pack(child_process.ITEM, 4, 1_000_000) + b"true" + b"b" * 10)
        os._exit(0)

    ending, received = run(work)
    assert (ending.how, received) == (How.CRASHED, [("whole", b"")])


@pytest.mark.parametrize("text", [b"{not json", b"[" * 100_000])
def test_what_no_frame_of_ours_would_hold_is_a_crash(text: bytes) -> None:
    def work(send: Send) -> None:
        writer = _pipe()
        os.write(writer, child_process.HEADER.pack(child_process.ITEM, len(text), 0))
        os.write(writer, text)
        time.sleep(600)

    ending, received = run(work)
    assert (ending.how, ending.detail, received) == (How.CRASHED, "sent what could not be read", [])


def _pipe() -> int:
    """The only descriptor of the child that is a pipe."""
    (writer,) = [number for number, target in _targets().items() if target.startswith("pipe:")]
    return writer


def _targets() -> dict[int, str]:
    found: dict[int, str] = {}
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # that of the listing
            found[int(entry.name)] = str(entry.readlink())
    return found


def test_output_without_end_stops_at_its_limit() -> None:
    def work(send: Send) -> None:
        while True:
            send("x", b"y" * 100_000)

    ending, received = run(work, limits(output_bytes=5 * MIB))
    assert (ending.how, ending.detail) == (How.OUTPUT, "sent more than 5242880 bytes")
    assert 4 * MIB < sum(len(blob) for _, blob in received) <= 6 * MIB


def test_one_thing_larger_than_the_limit_is_never_held() -> None:
    ending, received = run(lambda send: send("x", bytes(20 * MIB)), limits(output_bytes=5 * MIB))
    assert (ending.how, received) == (How.OUTPUT, [])


def test_an_error_of_the_receiver_ends_the_child_and_is_raised() -> None:
    def work(send: Send) -> None:
        while True:
            send(os.getpid())

    def receive(value: Any, blob: bytes) -> None:
        raise PermissionError(value)

    with pytest.raises(PermissionError) as refused:
        child.run(work, LIMITS, receive)
    with pytest.raises(ProcessLookupError):
        os.kill(refused.value.args[0], 0)


def test_what_the_child_prints_reaches_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    def work(send: Send) -> None:
        print("a page" * 100_000, flush=True)
        print("a warning", file=sys.stderr, flush=True)
        LIBC.puts(b"from C")
        LIBC.fflush(None)
        os.write(1, b"raw")

    print("of the parent", end="")  # in its buffer, which the child has a copy of
    assert run(work)[0].how is How.FINISHED
    sys.stdout.flush()
    out, err = capfd.readouterr()
    assert out == "of the parent"
    assert not [words for words in ("a page", "a warning", "from C") if words in err]  # others may write there


def test_the_child_has_no_connection_of_the_parents_and_its_objects_close_nothing() -> None:
    here, there = socket.socketpair()
    with here, there, here.dup() as third:

        def work(send: Send) -> list[str]:
            with pytest.raises(OSError, match="non-socket"):
                here.send(b"stolen")
            with Path("/etc/passwd").open() as file:
                for connection in (here, there, third):
                    connection.close()
                assert file.read(5) == "root:"
                return sorted({target.partition(":")[0] for target in _targets().values()})

        ending, _ = run(work)
        assert (ending.how, ending.value) == (How.FINISHED, ["/dev/null", "/etc/passwd", "pipe"]), ending
        here.send(b"mine")
        assert there.recv(10) == b"mine"


def test_a_grandchild_that_holds_the_pipe_keeps_nobody_waiting() -> None:
    def work(send: Send) -> None:
        if (grandchild := os.fork()) == 0:
            time.sleep(60)
            os._exit(0)
        send(grandchild)

    ending, received = run(work)
    os.kill(received[0][0], signal.SIGKILL)
    assert ending.how is How.FINISHED
    assert ending.wall_seconds < 30


def test_the_child_dies_with_its_parent() -> None:
    script = (
        "import os, time\n"
        "from lambdas.shared import child, child_process\n"
        "limits = child_process.Limits(cpu_seconds=60, wall_seconds=120, memory_bytes=1 << 28)\n"
        "def work(send):\n    send(os.getpid())\n    time.sleep(100)\n"
        "child.run(work, limits, lambda value, blob: print(value, flush=True))\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    for _ in range(1000):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.01)
                continue
        return
    pytest.fail(f"process {pid} outlived its parent")


def test_other_threads_of_the_parent_do_not_stand_in_the_way() -> None:
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            json.dumps(list(range(1000)))

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        assert [run(lambda send, n=n: n)[0].value for n in range(20)] == list(range(20))
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_the_parents_own_limits_and_signals_stay_as_they_were() -> None:
    kinds = (resource.RLIMIT_CPU, resource.RLIMIT_DATA, resource.RLIMIT_CORE)
    before = [resource.getrlimit(kind) for kind in kinds], signal.getsignal(signal.SIGINT), gc.get_freeze_count()
    run(lambda send: None)
    assert before == (
        [resource.getrlimit(kind) for kind in kinds],
        signal.getsignal(signal.SIGINT),
        gc.get_freeze_count(),
    )
