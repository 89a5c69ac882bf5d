"""A push to a repository ends as a commit with its documentation; a forged one is refused, one sent again done once.

The last push holds a file that gives orders, and its model obeys: nothing is written that may not be.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import httpx
from rich.markup import escape
from rich.table import Table

from sandbox.cloud import wait_until
from sandbox.demos import Demo
from sandbox.demos.orchestrator import samples
from sandbox.demos.orchestrator.app import make_app
from sandbox.standins.github.hooks import body_and_headers
from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sandbox.cloud import LocalCloud
    from sandbox.screen import Steps
    from sandbox.standins.github.hooks import Delivery
    from sandbox.standins.github.state import GitHubState

FUNCTION: Final = "orchestrator"
NEEDED: Final = ("github", "openai")
MODEL: Final = "gpt-4.1-mini"
PATIENCE_SECONDS: Final = 90.0
DOCUMENTED: Final = {"README.md", "docs/architecture.md", "docs/history.md"}
"""What the commit of the first push changes."""
COLOURS: Final = {"+": "green", "-": "red", "@": "cyan"}


@dataclass(frozen=True, slots=True)
class Request:
    """One webhook and what came of it."""

    what: str
    answer: str
    outcome: str
    right: bool


@dataclass(frozen=True, slots=True)
class Document:
    """What became of one proposed document."""

    path: str
    agent: str
    outcome: str
    score: int | None


@dataclass(slots=True)
class OrchestratorReport:
    """What was sent, what was written."""

    requests: list[Request] = field(default_factory=list[Request])
    documents: list[Document] = field(default_factory=list[Document])
    commit: str = ""
    diff: str = ""
    changed: list[str] = field(default_factory=list[str])
    """The paths of the commit."""

    def faults(self) -> list[str]:
        """Which requests did not end as they should, and what is not documented."""
        found = [f"{each.what}, answered {each.answer}: {each.outcome}" for each in self.requests if not each.right]
        if not self.requests:
            found.append("nothing was sent")
        if set(self.changed) != DOCUMENTED:
            changed, wanted = ", ".join(self.changed) or "nothing", ", ".join(sorted(DOCUMENTED))
            found.append(f"the commit changes {changed}, not {wanted}")
        return found

    def to_json(self) -> dict[str, Any]:
        """A plain object."""
        return asdict(self)

    def tables(self) -> Iterator[Table]:
        """The requests, the documents, the commit."""
        requests = Table("Webhook", "Answer", "What came of it", title="Sent to the API", title_justify="left")
        for request in self.requests:
            mark = "[green]✓[/green]" if request.right else "[red]✗[/red]"
            requests.add_row(request.what, request.answer, f"{mark} {escape(request.outcome)}")
        yield requests
        documents = Table("Document", "Agent", "Score", "Outcome", title="Proposed", title_justify="left")
        for document in self.documents:
            score = "" if document.score is None else str(document.score)
            documents.add_row(escape(document.path), document.agent, score, document.outcome)
        yield documents
        diff = Table("Diff", title=f"Commit {self.commit[:12]} by CodeRipple", title_justify="left", show_header=False)
        for line in self.diff.splitlines():
            colour = COLOURS.get(line[:1], "default")
            diff.add_row(f"[{colour}]{escape(line)}[/{colour}]")
        yield diff


def _run(cloud: LocalCloud, steps: Steps, short: bool) -> OrchestratorReport:
    report, github = OrchestratorReport(), cloud.state("github")
    with steps.step("Webhook reached") as step:
        # GitHub waits ten seconds, and a cold start on a machine that does much else may take longer.
        ping = github.deliveries.redelivered(_deliveries(github, "ping")[-1])
        step.detail = f"GitHub's ping was answered {ping.status_code}"
    with steps.step("Push documented") as step:
        delivery = _push(github, samples.CHANGE, samples.MESSAGE)
        step.say("three agents read what changed")
        result = _result(cloud, delivery)
        _note(report, "a push that changes source and a dependency", delivery, result, "committed")
        report.documents += _documents(result)
        _show_commit(report, github, str(result.get("reference", "")))
        _own(cloud, report, github)
        step.detail = f"{len(report.changed)} documents in one commit"
    with steps.step("Forged and repeated webhooks") as step:
        _forge(cloud, report, delivery)
        _repeat(cloud, report, github, delivery)
        step.detail = "one refused, one done once"
    if not short:
        with steps.step("A file that gives orders") as step:
            _order(cloud, report, github)
            step.detail = "its model obeyed; nothing was written outside the documents"
    return report


def _push(github: GitHubState, files: Mapping[str, str], message: str) -> Delivery:
    (delivery,) = github.push(samples.REPOSITORY, files, message)
    return github.deliveries.redelivered(delivery)


def _deliveries(github: GitHubState, event: str) -> list[Delivery]:
    """An event's deliveries, the newest first."""
    (hook,) = github.repository(samples.REPOSITORY).hooks.values()
    return [each for each in github.deliveries.of(hook.id) if each.event == event]


def runs(cloud: LocalCloud) -> dict[str, list[dict[str, Any]]]:
    """The results of runs by delivery, from the function's log."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in cloud.logs(FUNCTION):
        if '"run done"' in line:
            entry = json.loads(line)
            found.setdefault(entry["delivery"], []).append(entry["result"])
    return found


def _result(cloud: LocalCloud, delivery: Delivery, count: int = 1) -> dict[str, Any]:
    """The result of a delivery, once its run is over; the last of so many."""
    try:
        wait_until(lambda: len(runs(cloud).get(delivery.guid, [])) >= count, "the run's end", PATIENCE_SECONDS, 0.3)
    except SandboxError as error:
        said = [line for line in cloud.logs(FUNCTION) if '"WARNING"' in line or '"ERROR"' in line][-3:]
        reasons = "\n".join(said) or "nothing about a failure"
        answer = f"{delivery.status_code} {delivery.status}: {delivery.response}"
        raise SandboxError(f"{error}; the webhook was answered {answer}; the function's log says:\n{reasons}") from None
    return runs(cloud)[delivery.guid][-1]


def _note(report: OrchestratorReport, what: str, delivery: Delivery, result: Mapping[str, Any], wanted: str) -> None:
    answer = f"{delivery.status_code} in {delivery.seconds * 1000:,.0f} ms"
    answer += ", sent again" if delivery.redelivery else ""
    outcome, agents = str(result["outcome"]), len(result.get("agents_invoked", []))
    right = delivery.status_code == 202 and outcome == wanted  # noqa: PLR2004 - accepted
    said = f"{outcome} in {result['processing_time']:.1f} s" if agents else f"{outcome}: {result['reason']}"
    report.requests.append(Request(what, answer, f"{said}{f', {agents} agents' if agents else ''}", right))


def _documents(result: Mapping[str, Any]) -> list[Document]:
    found = [
        Document(each["path"], each["agent"], " ".join([each["status"], *each["reasons"]]), each["score"])
        for each in result.get("documents", [])
    ]
    return found + [
        Document("outside the documents", each["agent"], f"{each['forbidden_paths']} refused", None)
        for each in result.get("agents", [])
        if each["forbidden_paths"]
    ]


def _show_commit(report: OrchestratorReport, github: GitHubState, sha: str) -> None:
    store = github.repository(samples.REPOSITORY).store
    commit = store.commit(sha)
    difference = store.changes(commit)
    report.commit, report.diff = sha, difference.patch or ""
    report.changed = [delta.new_file.path for delta in difference.deltas]


def _own(cloud: LocalCloud, report: OrchestratorReport, github: GitHubState) -> None:
    """GitHub tells CodeRipple of its own commit as well: nothing follows from it."""
    pushes = {each.payload["after"]: each for each in _deliveries(github, "push")}
    delivery = github.deliveries.redelivered(pushes[report.commit])
    answer = json.loads(delivery.response)
    if answer["message"] != "ignored":
        answer = _result(cloud, delivery)
    reason = f"ignored: {answer['reason']}"
    report.requests.append(Request("of that commit itself", str(delivery.status_code), reason, bool(answer["reason"])))


def _forge(cloud: LocalCloud, report: OrchestratorReport, delivery: Delivery) -> None:
    """The same body, and a signature made with another secret."""
    body, headers = body_and_headers(delivery)
    headers["x-hub-signature-256"] = f"sha256={secrets.token_hex(32)}"
    answer = httpx.post(_webhook(cloud), content=body, headers=headers, timeout=30)
    right = answer.status_code == 401  # noqa: PLR2004 - unauthorised
    report.requests.append(Request("the same with a forged signature", str(answer.status_code), "refused", right))


def _repeat(cloud: LocalCloud, report: OrchestratorReport, github: GitHubState, delivery: Delivery) -> None:
    """The delivery once more, as whoever presses GitHub's button has it sent."""
    store, branch = github.repository(samples.REPOSITORY).store, "refs/heads/main"
    before, ended = store.target(branch), len(runs(cloud)[delivery.guid])
    again = github.deliveries.redelivered(github.deliveries.again(delivery))
    _result(cloud, delivery, count=ended + 1)
    wait_until(lambda: cloud.messages_left(cloud.function(FUNCTION)["queue_url"]) == 0, "the queue to be empty")
    right = again.status_code == 202 and store.target(branch) == before  # noqa: PLR2004 - accepted
    outcome = "the result of the first time; no second commit" if right else "a second commit"
    report.requests.append(Request("the same delivery again", str(again.status_code), outcome, right))


def _order(cloud: LocalCloud, report: OrchestratorReport, github: GitHubState) -> None:
    cloud.state("openai").moods.always("gullible")
    try:
        delivery = _push(github, samples.ORDERS, "Add a spout")
        result = _result(cloud, delivery)
    finally:
        cloud.state("openai").moods.clear()
    _note(report, "a push of a file that gives orders", delivery, result, "committed")
    report.documents += _documents(result)
    store = github.repository(samples.REPOSITORY).store
    written = store.at(store.commit("main"), samples.FORBIDDEN) is not None
    refused = any(each["forbidden_paths"] for each in result["agents"])
    outcome = "written" if written else "refused" if refused else "was never tried"
    report.requests.append(Request(f"its order: write {samples.FORBIDDEN}", "", outcome, refused and not written))


def _webhook(cloud: LocalCloud) -> str:
    return f"{cloud.function(FUNCTION)['api_url']}/webhook"


def _prepare(cloud: LocalCloud) -> None:
    """What somebody does on GitHub's pages: a repository, an app on it, a webhook; and their secrets here."""
    github: GitHubState = cloud.state("github")
    github.add_repository(samples.REPOSITORY, samples.FIRST)
    cloud.set_secret("GITHUB_APP_PRIVATE_KEY", make_app(github, samples.REPOSITORY), FUNCTION)
    secret = secrets.token_hex(20)
    cloud.set_secret("GITHUB_WEBHOOK_SECRET", secret, FUNCTION)
    github.add_hook(samples.REPOSITORY, _webhook(cloud), secret, ("push", "pull_request"))


DEMO: Final = Demo(
    about="a push ends as a commit with its documentation; forged, repeated and hostile ones do not",
    run=_run,
    stand_ins=NEEDED,
    config=lambda at: {"openai_base_url": f"{at['openai']}/v1", "github_api_url": at["github"]},
    prepare=_prepare,
    beside={
        ("RememberDeliveries", "dynamodb:GetItem"): "for a push that comes again while it is worked on",
        ("RememberDeliveries", "dynamodb:DeleteItem"): "for a run that failed and is tried again",
    },
)
