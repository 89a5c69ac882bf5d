"""An agents' process that sends what its prompt says, whatever that is, and ends."""

from __future__ import annotations

import json
import sys


def main() -> None:
    print(json.loads(sys.stdin.readline())["prompt"], flush=True)


if __name__ == "__main__":
    main()
