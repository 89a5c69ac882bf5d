"""An agents' process without strands, for tests that start hundreds: it speaks the same wire, and is quickly there.

The historian adds an entry with the commit; the building inspector a line to its document, as it is now.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

DOCUMENT = "docs/architecture.md"


def call(name: str, **arguments: str) -> str:
    print(json.dumps({"call": name, "arguments": arguments}), flush=True)
    return str(json.loads(sys.stdin.readline()).get("value", ""))


def tell(**event: Any) -> None:
    print(json.dumps(event), flush=True)


def main() -> None:
    task = json.loads(sys.stdin.readline())
    found = re.search(r"^Commit: ([0-9a-f]{40})$", task["prompt"], re.MULTILINE)
    assert found is not None
    commit = found.group(1)
    tell(event="calling")
    tell(event="usage", input=10, output=5)
    if task["agent"] == "historian":
        words = "Something was decided here, and this is why: the kettle has to be quick, and it was not quick at all."
        call("append_history", content=f"## {commit}\n\n{words} It concerns src and pyproject.")
    else:
        text = call("read_document", path=DOCUMENT)
        line = f"- {commit}: a part of the kettle that is new, of the folder src."
        call("propose_document", path=DOCUMENT, content=f"{text.rstrip()}\n{line}\n", reason="a part is new")
    tell(event="done", reason="end_turn")


if __name__ == "__main__":
    main()
