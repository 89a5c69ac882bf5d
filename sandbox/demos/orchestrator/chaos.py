"""The orchestrator under faults: every push is documented by one commit, or its delivery is in the dead-letter queue.

GitHub and the model fail, the function is killed between any two of their answers, deliveries come twice, and the app's
key and the webhook's secret change meanwhile.
"""

from __future__ import annotations

import json
import re
import secrets
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from lambdas.orchestrator import contract
from sandbox.chaos import LAMBDA, Chaos, Options
from sandbox.chaos.leases import Lease
from sandbox.chaos.plan import Kind
from sandbox.chaos.verdict import Verdict
from sandbox.chaos.wrapped import of_a_queue
from sandbox.demos.orchestrator import samples
from sandbox.demos.orchestrator.app import new_key
from sandbox.standins.faults import Fault
from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from sandbox.chaos.ending import Ending
    from sandbox.cloud import LocalCloud
    from sandbox.standins.github.hooks import Delivery
    from sandbox.standins.github.state import GitHubState

FUNCTION: Final = "orchestrator"
GITHUB: Final = "github"
MODEL: Final = "openai"
ACCEPTED: Final = 202
DELIVERIES: Final = 12
"""Somebody presses GitHub's button until a webhook is taken: at most so often."""
SOURCE: Final = re.compile(r"^CodeRipple-Source: ([0-9a-f]{40})\s*$", re.MULTILINE)


def _rotate(cloud: LocalCloud) -> None:
    """A new app key, and a new secret of the webhook: ours first, then GitHub's."""
    github: GitHubState = cloud.state(GITHUB)
    private, public = new_key()
    (app,) = github.access.apps()
    cloud.set_secret("GITHUB_APP_PRIVATE_KEY", private, FUNCTION)
    github.access.add_app(replace(app, public_key=public))
    (hook,) = github.repository(samples.REPOSITORY).hooks.values()
    secret = secrets.token_hex(20)
    cloud.set_secret("GITHUB_WEBHOOK_SECRET", secret, FUNCTION)
    hook.secret = secret


KINDS: Final = (
    Kind(GITHUB, "kill-before", "process killed with a write to GitHub in hand", 5),
    Kind(GITHUB, "kill-after", "process killed after GitHub has written, before it knows", 8),
    Kind(GITHUB, "lose-answer", "process killed after its work, before its answer reaches the queue", 4),
    Kind(GITHUB, "rotate", "a new app key and webhook secret; the old ones are refused from now on", 4, act=_rotate),
    Kind(GITHUB, "down", "GitHub down for a while", 4),
    Kind(GITHUB, "503", "503", 4, Fault(503)),
    Kind(GITHUB, "drop-after", "written, then the connection closed without an answer", 8, Fault(drop="after")),
    Kind(MODEL, "kill", "process killed while its agents wait for the model", 4),
    Kind(MODEL, "rotate", "a new key in Secrets Manager; the old one is refused from now on", 4),
    Kind(MODEL, "down", "the model down for a while", 4),
    Kind(MODEL, "429", "429 with Retry-After", 4, Fault(429, headers={"retry-after": "1"})),
    Kind(MODEL, "500", "500", 4, Fault(500)),
    Kind(LAMBDA, "kill-start", "process killed with webhook or message in hand", 6),
    Kind(LAMBDA, "twice", "webhook or message delivered twice, at the same time", 12),
)


class _Work:
    """One seed's pushes, each of a new part and its dependency."""

    def __init__(self, options: Options) -> None:
        self._seed, self._pushes, self._duplicates = options.seed, options.messages, options.duplicates
        self.sent = options.messages + options.duplicates
        # A tree, a commit and a moved branch of each; two answers of each agent; a webhook and a message.
        self.requests = {GITHUB: 3 * self._pushes, MODEL: 4 * self._pushes, LAMBDA: 2 * self._pushes}
        self._commits: list[str] = []
        self._guids: dict[str, str] = {}

    def send(self, cloud: LocalCloud) -> None:
        """Every push, and some of their deliveries again."""
        github: GitHubState = cloud.state(GITHUB)
        github.limits.writes_per_minute = github.limits.per_hour = 1_000_000
        taken: list[Delivery] = []
        for number in range(self._pushes):
            name = f"part{self._seed}x{number}"
            files = {
                f"src/{name}.py": f'"""Part {number}."""\n\n\ndef use_{name}() -> None:\n    """Use it."""\n',
                "pyproject.toml": f'[project]\nname = "kettle"\nversion = "1.{number}"\ndependencies = ["{name}"]\n',
            }
            (delivery,) = github.push(samples.REPOSITORY, files, f"feat: part {number}")
            taken.append(self._taken(github, delivery))
            self._commits.append(str(delivery.payload["after"]))
            self._guids[delivery.guid] = self._commits[-1]
        for delivery in taken[: self._duplicates]:
            self._taken(github, github.deliveries.again(delivery))

    @staticmethod
    def _taken(github: GitHubState, delivery: Delivery) -> Delivery:
        taken = github.deliveries.redelivered(delivery, lambda status: status == ACCEPTED, DELIVERIES)
        if taken.status_code != ACCEPTED:
            raise SandboxError(f"the webhook was not taken in {DELIVERIES} deliveries: {taken.response}")
        return taken

    def judge(self, ending: Ending) -> Verdict:
        """Compare pushes, commits and the dead-letter queue."""
        store = ending.cloud.state(GITHUB).repository(samples.REPOSITORY).store
        made = Counter(SOURCE.findall("\n".join(commit.message for commit in store.git.walk(store.commit("main").id))))
        dead: dict[str, str] = {}
        for letter in ending.dead[FUNCTION]:
            delivery = str(json.loads(letter.body)["delivery"])
            dead[self._guids.get(delivery, delivery)] = letter.reason
        return Verdict.of(
            sent=self.sent,
            inputs=dict.fromkeys(self._commits, True),
            done={commit for commit in self._commits if made[commit] == 1},
            dead=dead,
            doubled=[commit for commit, count in made.items() if count > 1 or commit not in self._commits],
            facts={"Commits by CodeRipple": f"{made.total():,}"},
        )


def _config(_: Options) -> dict[str, Any]:
    """Two agents, short waits for the model, and deliveries for as long as a killed run counts as running.

    Here a message is back after a second, and comes again and again while another run is at work.
    """
    return {
        "enabled_agents": ["building_inspector", "historian"],
        "timeout_seconds": contract.LEAST_TIMEOUT_SECONDS,
        "model_timeout_seconds": 10,
        "queue": {"max_receive_count": 1_000},
    }


CHAOS: Final = Chaos(
    messages=10,
    kinds=KINDS,
    counted={
        GITHUB: r"POST /repos/[^/]+/[^/]+/git/(trees|commits)|PATCH /repos/[^/]+/[^/]+/git/refs/heads/.+",
        MODEL: "POST /v1/chat/completions",
    },
    make=_Work,
    controls=of_a_queue(FUNCTION),
    lease=Lease(
        table=contract.IDEMPOTENCY_TABLE,
        key=(contract.TABLE_KEY,),
        status="status",
        going_on="INPROGRESS",
        until="in_progress_expiration",
        per_second=1_000,
    ),
    config=_config,
)
