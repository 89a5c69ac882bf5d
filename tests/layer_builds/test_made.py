"""What builds keep for each other: shared by processes, trimmed by when it was used, no loss when it is gone."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from layer_builds.__main__ import main
from layer_builds.build.made import Made, key_of
from layer_builds.build.records import fingerprint
from layer_builds.build.wheels import WheelStore
from layer_builds.host.folders import BUILD_DIR_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

WRITER = """
import sys; from pathlib import Path
from layer_builds.build import made as module
from layer_builds.build.made import Made, key_of
module._BUSY_SECONDS = 200
made = Made(Path(sys.argv[1]))
for number in range(40):
    made.put({key_of("x", sys.argv[2], number): sys.argv[2].encode() * 1000})
    made.get([key_of("x", other, number) for other in "abcd"])
"""


def use_last(made: Made, key: bytes, days_ago: int) -> None:
    with closing(sqlite3.connect(made.path)) as database, database:
        database.execute("UPDATE made SET day = day - ? WHERE key = ?", (days_ago, key))


def test_a_key_depends_on_each_part_and_their_borders() -> None:
    assert len({key_of("a", "bc"), key_of("ab", "c"), key_of("a", "b", "c"), key_of("a", "bc", "")}) == 4


def test_many_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "made.sqlite"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in "abcd"]
    assert [writer.wait(timeout=200) for writer in writers] == [0, 0, 0, 0]
    keys = {key_of("x", name, number): name for name in "abcd" for number in range(40)}
    found = Made(path).get(keys)
    assert found == {key: name.encode() * 1000 for key, name in keys.items()}


OPENER = """
import sys, time; from pathlib import Path
from layer_builds.build import made as module
from layer_builds.build.made import Made, key_of
module._BUSY_SECONDS = 200
folder = Path(sys.argv[1])
(folder / sys.argv[2]).touch()
while len(list(folder.glob("?"))) < 4:
    time.sleep(0.001)
for number in range(100):
    Made(folder / f"{number}.sqlite").put({key_of(sys.argv[2]): b"v"})
"""


def test_many_processes_make_the_file_at_once(tmp_path: Path) -> None:
    openers = [subprocess.Popen([sys.executable, "-c", OPENER, str(tmp_path), name]) for name in "abcd"]
    assert [opener.wait(timeout=200) for opener in openers] == [0, 0, 0, 0]
    found = [len(Made(path).get([key_of(name) for name in "abcd"])) for path in tmp_path.glob("*.sqlite")]
    assert found == [4] * 100


def test_it_is_trimmed_by_when_it_was_used(tmp_path: Path) -> None:
    made = Made(tmp_path / "made.sqlite")
    old, older, new = (key_of("x", name) for name in ("old", "older", "new"))
    made.put({key: bytes(1000) for key in (old, older, new)})
    use_last(made, old, 10)
    use_last(made, older, 20)
    assert set(made.get([older])) == {older}  # used today, so it stays
    made.trim(2_500)
    assert set(made.get([old, older, new])) == {older, new}
    assert made.size()[0] == 2


@pytest.mark.skipif(sys.platform == "win32", reason="modes are others there")
def test_a_folder_that_cannot_be_written_to_costs_time_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "made.sqlite").mkdir()
    made = Made(tmp_path / "made.sqlite")
    made.put({b"k": b"v"})
    assert made.get([b"k"]) == {}


def test_the_command_shows_and_trims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(BUILD_DIR_VARIABLE, str(tmp_path / "build"))
    Made(tmp_path / "build" / "made.sqlite").put({b"k": bytes(2_000_000)})
    store = WheelStore(tmp_path / "build" / "wheels")
    (tmp_path / "staging").mkdir()
    (tmp_path / "staging" / "a.py").write_bytes(bytes(1_500_000))
    store.add("a" * 64, tmp_path / "staging", {"a.py": fingerprint(bytes(1_500_000))})
    assert main(["cache"]) == 0
    shown = capsys.readouterr().out
    assert "1 installed wheels" in shown
    assert "1 compiled, packed and checked contents" in shown
    assert main(["cache", "--trim", "1", "--json"]) == 0
    sizes = json.loads(capsys.readouterr().out)
    assert (sizes["wheels"]["count"], sizes["made"]["count"]) == (0, 0)
    assert sizes["made"]["bytes"] < 1_000_000
    with pytest.raises(SystemExit):
        main(["cache", "--trim", "-1"])
