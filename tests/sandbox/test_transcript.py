"""The README's transcript is of the form that the program prints today."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.transcript import BLOCK, LONG, README, transcript
from sandbox.demos import demo, systems
from sandbox.start import TITLES

OUTPUT = """\
Strata  the whole of it

✓ Local AWS     0.5 s

one  about
✓ Sent     0.1 s
✓ Cleaned up in 1.0 s

one
Searched
┏━━━━┓
┃ It ┃
└────┘
orchestrator
Sent to the API
┏━━━━┓
┃ It ┃
└────┘
Commit 0123 by CodeRipple
┌────┐
{diff}
└────┘
How they ran
┏━━━━┓
┃ It ┃
└────┘
All in all 3.0 s
"""


def readme() -> str:
    found = BLOCK.search(README.read_text(encoding="utf-8"))
    assert found is not None
    return found[0]


def test_some_tables_stay_and_dots_stand_for_the_others() -> None:
    cut = transcript(OUTPUT.format(diff="\n".join(f"│ {number} │" for number in range(30))))
    assert cut.splitlines()[7:13] == ["", "…", "orchestrator", "Commit 0123 by CodeRipple", "┌────┐", "│ 0 │"]
    assert f"│ {LONG - 1} │\n…\nHow they ran\n" in cut
    assert f"│ {LONG} │" not in cut
    assert "Searched" not in cut
    assert cut.endswith("All in all 3.0 s")


def test_the_readme_shows_every_system_as_it_is_told_today() -> None:
    shown = re.sub(r"\s+", " ", readme())
    for name in systems():
        found = demo(name)
        assert found is not None
        assert f"{name} {found.about}" in shown, "run `python -m benchmarks.transcript`"


def test_the_readme_shows_the_steps_that_there_are() -> None:
    titles = set(re.findall(r"(?m)^✓ (.+?)  ", readme()))
    folder = Path(__file__).resolve().parents[2] / "sandbox" / "demos"
    sources = "\n".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    own = set(re.findall(r'steps\.step\("([^"]+)"', sources)) | set(TITLES.values())
    # What --short leaves out is not in it.
    assert own - titles <= {"A file that gives orders"}
