"""A run: agents propose, each in a process of its own and all at once; then everything that passes is published.

Owns the rounds. What an agent proposed is kept while another is tried again, or while the function is started anew:
nothing is asked for twice, and nothing is appended twice. Where documents were changed meanwhile, their agents look
again.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from coderipple import kept, telemetry
from coderipple.agent_runner import AgentFailedError, TokenBudget, run_agent
from coderipple.agents.prompts import user_prompt
from coderipple.desk import Desk
from coderipple.errors import ConfigurationError, GoneError, RetryLaterError
from coderipple.model_access import model_access
from coderipple.proposals import AgentResult
from coderipple.publisher import Published, Publisher, Target
from coderipple.runs import count_spent
from coderipple.webhook_parser import BRANCH
from lambdas.orchestrator.contract import AGENT_TRIES, PUBLISH_SECONDS
from lambdas.shared.secret import SecretError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from coderipple.changes import ChangeSet
    from coderipple.github_client import Credentials
    from coderipple.repository import RepositoryWriter
    from coderipple.routing import Chosen
    from coderipple.services import Services
    from lambdas.orchestrator.contract import Message
    from lambdas.shared.deadline import Deadline

ROUNDS: Final = 5
"""In which agents look again because documents were changed while they worked."""
LEAST_AGENT_SECONDS: Final = 20
"""With less time left, no agent is begun."""


class Run:
    """One run."""

    def __init__(
        self,
        message: Message,
        context: LambdaContext,
        services: Services,
        *,
        changes: ChangeSet,
        writer: RepositoryWriter,
        credentials: Credentials,
        deadline: Deadline,
    ) -> None:
        self._message = message
        self._context = context
        self._services = services
        self._writer = writer
        self._credentials = credentials
        self._deadline = deadline.earlier(PUBLISH_SECONDS)
        self._branch = message["ref"].removeprefix(BRANCH)
        self._changes = changes
        self._name = f"{message['repository'].lower()}@{message['after']}:{message['ref']}"
        self._budget = TokenBudget(services.config.run_tokens)
        self.tokens = (0, 0)
        """Input and output of the calls of this delivery."""
        self._results: dict[str, AgentResult] = {}

    @property
    def results(self) -> list[AgentResult]:
        """What became of each agent, in their order."""
        return list(self._results.values())

    def publish(self, chosen: Sequence[Chosen], delivered: int) -> Published:
        """Run the agents, and publish what passes.

        Raises:
            RetryLaterError: an agent failed, or the branch moves too fast; the message is to come again.
            GoneError: the branch is gone, or the commit is not on it any more.
        """
        publisher = Publisher(self._writer, self._services.config, self._secrets())
        target = Target(branch=self._branch, source=self._message["after"], changed=self._changes.paths)
        by_pull_request = self._message["event"] == "pull_request" or self._services.config.strategy == "pull_request"
        if ended := publisher.before(target, by_pull_request=by_pull_request):
            return self._there(ended)
        self._budget.used = self._spent(0)
        asked = list(chosen)
        published = Published(outcome="nothing")
        for number in range(1, ROUNDS + 1):
            self._ask(asked, number, last=delivered >= AGENT_TRIES)
            proposals = [proposal for result in self.results for proposal in result.proposals]
            published = publisher.publish(target, proposals, by_pull_request=by_pull_request, last=number == ROUNDS)
            if published.outcome != "stale":
                break
            stale = {verdict.agent for verdict in published.verdicts if verdict.status == "stale"}
            asked = [one for one in chosen if one.agent in stale]
        if published.outcome == "moving":
            raise RetryLaterError(f"{self._branch} moved while it was committed to, each of several times")
        return self._there(published)

    def _there(self, published: Published) -> Published:
        if published.outcome == "gone":
            raise GoneError(f"{self._message['after']} is not on the branch {self._branch} any more")
        return published

    def _ask(self, chosen: Sequence[Chosen], number: int, *, last: bool) -> None:
        """Run agents at once; one that fails is tried again with the message, until it is delivered the last time."""
        head = self._writer.head(self._branch)
        if head is None:
            raise GoneError(f"there is no branch {self._branch} any more")
        with ThreadPoolExecutor(max(1, len(chosen))) as threads:
            running = {one.agent: threads.submit(self._kept, one, number, head) for one in chosen}
        self._count_tokens()
        failed: list[AgentFailedError] = []
        for agent, ended in running.items():
            try:
                self._results[agent] = ended.result()
            except AgentFailedError as error:
                failed.append(error)
                self._results[agent] = error.result
                telemetry.logger.warning("agent failed", extra={"agent": agent, "detail": str(error)})
                self._renew_key(error.result)
        if failed and (not last or len(failed) == len(self._results)):
            raise failed[0]

    def _count_tokens(self) -> None:
        """Each call counts once, also of an agent that failed; what was kept from an earlier delivery was counted."""
        given, made = self._budget.take()
        self.tokens = (self.tokens[0] + given, self.tokens[1] + made)
        telemetry.count_tokens(self._services.config, given, made)
        self._spent(given + made)

    def _spent(self, tokens: int) -> int:
        return count_spent(self._services.tables, self._services.config, self._name, tokens)

    def _kept(self, one: Chosen, number: int, head: str) -> AgentResult:
        key = f"{self._name}:{one.agent}:{number}"
        found = kept.once(
            self._services.tables,
            self._services.config.idempotency_table,
            ("agent", key),
            self._context,
            lambda: self._run_agent(one, head).packed(),
        )
        return AgentResult.unpacked(found)

    def _run_agent(self, one: Chosen, head: str) -> AgentResult:
        if self._deadline.left() < LEAST_AGENT_SECONDS:
            raise RetryLaterError("there is no time left for an agent")
        if self._budget.is_spent:
            return AgentResult(agent=one.agent, outcome="token_budget", detail=self._budget.said)
        config = self._services.config
        desk = Desk(one.agent, self._writer.reader(), self._changes, head, config.doc_paths)
        prompt = user_prompt(self._message["repository"], self._branch, self._changes, one.why)
        model = model_access(config, self._services.secrets.model_key)
        return run_agent(desk, model, prompt, self._budget, self._deadline)

    def _renew_key(self, result: AgentResult) -> None:
        """The model refused its key: another one may have been stored."""
        key = self._services.secrets.model_key
        if key is not None and result.outcome == "model_refused":
            try:
                key.refresh()
            except SecretError as error:
                raise ConfigurationError(str(error)) from None

    def _secrets(self) -> list[str]:
        """The values that no document may hold."""
        secrets = self._services.secrets
        others = [secret for secret in (secrets.github_app_key, secrets.model_key) if secret is not None]
        try:
            return [self._credentials.token(), *_first(secrets.webhook.accepted()), *(one.value() for one in others)]
        except SecretError as error:
            raise ConfigurationError(str(error)) from None


def _first(values: Iterable[str]) -> list[str]:
    for value in values:
        return [value]
    return []
