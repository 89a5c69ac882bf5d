"""deploy: a version that does not work is published, and nothing else; traffic moves for all functions or for none."""

from __future__ import annotations

import json
import re
import signal
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ops.canary import Move, MovedError, found, give, give_back, ringing, roll_out
from ops.cli import main
from ops.deploy import deploy
from ops.doctor.live import live_findings
from ops.errors import OpsError, UsageError
from ops.rollback import rollback
from tests.ops.archives import archive
from tests.ops.conftest import HANDLER
from tests.ops.front import Answer, Front
from tests.ops.refusing import FORBIDDEN, Refusing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.ops.conftest import Deployed

PULUMI = """#!{python} -SE
import json, pathlib, sys, urllib.request
if sys.argv[1] == "refresh":
    pass
elif sys.argv[1] == "stack":
    print(pathlib.Path({outputs!r}).read_text())
else:
    config = pathlib.Path(sys.argv[sys.argv.index("--config-file") + 1]).read_text()
    urllib.request.urlopen({address!r}, json.dumps([sys.argv[1:], config]).encode())
"""
"""Gives its arguments and its config to the test."""


def read_section(config: str) -> dict[str, Any]:
    """The function's section of a config file."""
    section: Any = yaml.safe_load(config)["config"]["strata:embedding"]
    return json.loads(section) if isinstance(section, str) else section


class Checkout:
    """A folder with a stack `dev` whose function is in the emulator, and a CLI that knows it."""

    def __init__(self, deployed: Deployed, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.deployed, self.folder = deployed, folder
        self.code: str | None = None
        """What the next update publishes."""
        self.code_at_last: str | None = None
        """What the second update publishes."""
        self.configuration = {"Timeout": 3, "Environment": {"Variables": dict[str, str]()}}
        """What the program says of the function."""
        self.fails_after: int | None = None
        """So many updates succeed; the next one fails when it has moved the alias."""
        self.plan: dict[str, Any] = {"resources": [], "error": None}
        """What the program declares."""
        self.ups: list[tuple[list[str], str]] = []
        """Arguments and config of every `pulumi up`."""
        self.outputs = folder / "outputs.json"
        self.outputs.write_text(json.dumps(deployed.outputs))
        (folder / "Pulumi.yaml").write_text("name: strata\nruntime: python\n")
        self.file = folder / "Pulumi.dev.yaml"
        self.file.write_text(deployed.config_file.read_text().replace("eu-central-1", deployed.account.region))
        monkeypatch.setattr("ops.deploy.make_plan", lambda *_, **__: self.plan)
        monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")
        monkeypatch.setenv("AWS_ENDPOINT_URL", deployed.account.endpoint)
        for name, value in deployed.account.environment().items():
            monkeypatch.setenv(name, value)

    def listen(self, address: str) -> None:
        """Make the CLI, which tells what it is asked at an address."""
        tool = self.folder / "bin" / "pulumi"
        tool.parent.mkdir()
        tool.write_text(PULUMI.format(python=sys.executable, outputs=str(self.outputs), address=address))
        tool.chmod(0o755)

    def up(self, arguments: list[str], config: str) -> None:
        """What an update does: publishes what changed, and has the alias where the config says."""
        self.ups.append((arguments, config))
        self.outputs.write_text(json.dumps(self.deployed.outputs))
        client, name = self.deployed.client("lambda"), self.deployed.function["name"]
        if self.code is not None:
            if "--refresh" in arguments or self.configuration["Timeout"] != 3:
                client.update_function_configuration(FunctionName=name, **self.configuration)
            client.update_function_code(FunctionName=name, ZipFile=archive(self.code))
            self.deployed.function["published"] = client.publish_version(FunctionName=name)["Version"]
            self.outputs.write_text(json.dumps(self.deployed.outputs))
        self.code, self.code_at_last = self.code_at_last, None
        pinned = read_section(config).get("live_version")
        version = self.deployed.function["published"] if pinned is None else str(pinned)
        client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)

    def deploy(self, **options: Any) -> Any:
        return deploy("dev", root=self.folder, **options)


@pytest.fixture
def checkout(deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkout]:
    made = Checkout(deployed, tmp_path, monkeypatch)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.up(*json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if made.fails_after == len(made.ups) - 1 else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:  # type: ignore[override]
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.listen(f"http://127.0.0.1:{server.server_address[1]}")
    yield made
    server.shutdown()
    server.server_close()


def test_a_new_version_is_called_by_its_number_before_traffic_moves_to_it(checkout: Checkout) -> None:
    before = checkout.file.read_text()
    checkout.code = HANDLER.replace("CODE", "two")
    report = checkout.deploy()
    assert (report.ok, report.data["moved"]) == (True, {"embedding": {"from": "1", "to": "2"}})
    assert checkout.deployed.alias() == "2"
    [(_, held), (_, final)] = checkout.ups
    assert read_section(held)["live_version"] == 1
    assert read_section(final)["live_version"] == 2, "the version that was tried, whatever else is published"
    assert before == checkout.file.read_text(), "the stack's own file was not touched"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import no_such_module", "No module named"),
        (HANDLER.replace('"yes") ==', '"yes") !='), "reports a problem: openai: ImportError"),
    ],
)
def test_traffic_never_meets_a_version_that_does_not_work(checkout: Checkout, code: str, why: str) -> None:
    """A new version was live before it had been called."""
    checkout.code = code
    with pytest.raises(OpsError, match=rf"version 2 of embedding: .*{why}.*Traffic stays where it was"):
        checkout.deploy()
    assert checkout.deployed.alias() == "1"
    assert len(checkout.ups) == 1
    checkout.code = HANDLER.replace("CODE", "three")
    assert checkout.deploy().data["moved"] == {"embedding": {"from": "1", "to": "3"}}


@pytest.mark.parametrize("section", ["{}", "{live_version: null}", "\n    live_version:", "'{\"memory_mb\": 512}'"])
def test_a_section_however_it_is_written_is_of_a_function_that_is_deployed(checkout: Checkout, section: str) -> None:
    """An empty one was taken for a function that is not deployed any more: what it published went live untried."""
    before, _, _ = checkout.file.read_text().partition("  strata:embedding:")
    checkout.file.write_text(f"{before}  strata:embedding: {section}\n")
    checkout.code = "import no_such_module"
    with pytest.raises(OpsError, match=r"version 2 of embedding: .*No module named"):
        checkout.deploy()
    assert checkout.deployed.alias() == "1"
    checkout.code = HANDLER.replace("CODE", "three")
    assert checkout.deploy().data["moved"] == {"embedding": {"from": "1", "to": "3"}}


def test_an_update_that_fails_when_traffic_moves_leaves_all_of_it_where_it_was(checkout: Checkout) -> None:
    """Some functions had moved, others had not, and which of them nobody said."""
    checkout.code, checkout.fails_after = HANDLER.replace("CODE", "two"), 1
    with pytest.raises(OpsError, match="All traffic is on the old versions again"):
        checkout.deploy()
    assert checkout.deployed.alias() == "1"
    checkout.fails_after = None
    assert checkout.deploy().data["moved"] == {"embedding": {"from": "1", "to": "2"}}


def test_a_new_version_that_does_not_fit_its_queue_gets_no_traffic(checkout: Checkout) -> None:
    deployed = checkout.deployed
    checkout.code, checkout.configuration["Timeout"] = HANDLER, 300
    with pytest.raises(OpsError, match="visibility timeout 30 s"):
        checkout.deploy()
    assert deployed.alias() == "1"


def test_without_a_new_version_there_is_one_update_and_a_pinned_function_stays(checkout: Checkout) -> None:
    assert checkout.deploy().notes[-1] == "no new version"
    checkout.file.write_text(checkout.file.read_text().replace("memory_mb: 512", "live_version: 1"))
    checkout.code = HANDLER.replace("CODE", "two")
    assert checkout.deploy().data["moved"] == {}
    assert checkout.deployed.alias() == "1"
    assert len(checkout.ups) == 2


def test_a_version_that_somebody_published_in_the_console_gets_no_traffic(checkout: Checkout) -> None:
    """It was the newest one, and a deployment without changes gave it the canary's share."""
    checkout.deployed.publish_by_hand("edited")
    assert checkout.deploy().data["moved"] == {}
    checkout.code = HANDLER.replace("CODE", "three")
    assert checkout.deploy().data["moved"] == {"embedding": {"from": "1", "to": "3"}}
    assert checkout.deployed.alias() == "3"


@pytest.mark.parametrize("edit", [{"Timeout": 25}, {"Environment": {"Variables": {"DEBUG": "1"}}}])
def test_what_was_edited_in_the_console_does_not_go_live(checkout: Checkout, edit: dict[str, Any]) -> None:
    """The provider changes what the program changed: an edited timeout was in the next version."""
    client, name = checkout.deployed.client("lambda"), checkout.deployed.function["name"]
    client.update_function_configuration(FunctionName=name, **edit)
    checkout.code = HANDLER.replace("CODE", "two")
    [key] = edit
    with pytest.raises(
        OpsError, match=rf"embedding: \$LATEST has another {key} than version 1, .*--stack dev --refresh"
    ):
        checkout.deploy()
    assert checkout.ups == []
    assert checkout.deploy(refresh=True).data["moved"] == {"embedding": {"from": "1", "to": "2"}}
    assert [("--refresh" in arguments) for arguments, _ in checkout.ups] == [True, False]
    live = client.get_function_configuration(FunctionName=name, Qualifier="live")
    assert (live["Timeout"], "DEBUG" in str(live.get("Environment"))) == (3, False)


def test_what_the_second_update_publishes_gets_no_traffic(checkout: Checkout) -> None:
    """The report said version 4, and the alias was at 5, which nobody had called."""
    checkout.code, checkout.code_at_last = HANDLER.replace("CODE", "two"), "import no_such_module"
    with pytest.raises(OpsError, match=r"version 3 of embedding was published while traffic moved.*deploy again"):
        checkout.deploy()
    assert checkout.deployed.alias() == "2"


def test_a_version_that_is_pinned_and_does_not_exist_stops_a_deployment_before_it_begins(checkout: Checkout) -> None:
    """The preview was green, the update failed half-way or moved traffic to nothing."""
    checkout.file.write_text(checkout.file.read_text().replace("memory_mb: 512", "live_version: 99"))
    with pytest.raises(OpsError, match=r"embedding: live_version is 99, which does not exist; the newest are 1"):
        checkout.deploy()
    checkout.outputs.write_text("{}")
    with pytest.raises(OpsError, match=r"live_version is 99, and the function is not deployed"):
        checkout.deploy()
    assert checkout.ups == []


def test_versions_that_are_to_be_kept_are_not_replaced_in_the_same_update(checkout: Checkout) -> None:
    """It is the option of the former update that counts: the old version was deleted."""
    layer = checkout.deployed.outputs["layers"]["openai-pinecone"]
    inputs = {"layerName": layer["name"], "description": "1" * 64}
    checkout.plan["resources"] = [{"type": "aws:lambda/layerVersion:LayerVersion", "inputs": inputs}]
    checkout.file.write_text(f"{checkout.file.read_text()}  strata:layers:\n    keep_versions: true\n")
    layer["kept"] = False
    checkout.outputs.write_text(json.dumps(checkout.deployed.outputs))
    with pytest.raises(OpsError, match=f"keep_versions is turned on, and {layer['name']} changes in the same update"):
        checkout.deploy()
    assert checkout.ups == []
    inputs["description"] = layer["digest"]
    assert checkout.deploy().ok
    layer["kept"], inputs["description"] = True, "1" * 64
    checkout.outputs.write_text(json.dumps(checkout.deployed.outputs))
    assert checkout.deploy().ok


def test_a_program_that_refuses_to_run_stops_a_deployment_before_it_begins(checkout: Checkout) -> None:
    checkout.plan["error"] = "memory_mb is too small"
    with pytest.raises(OpsError, match="memory_mb is too small"):
        checkout.deploy()
    assert checkout.ups == []


def test_what_pulumi_refuses_is_an_error_and_the_local_cloud_is_none_of_its_stacks(checkout: Checkout) -> None:
    (checkout.folder / "bin" / "pulumi").write_text(
        f'#!/bin/sh\nif [ "$1" = stack ]; then cat {checkout.folder}/outputs.json; else exit 255; fi\n'
    )
    with pytest.raises(OpsError, match="failed; what it said is above"):
        checkout.deploy()
    with pytest.raises(UsageError, match="make up"):
        deploy("local")
    with pytest.raises(UsageError, match=r"there is no Pulumi\.nope\.yaml"):
        deploy("nope", root=checkout.folder)


def test_a_canary_that_is_under_way_is_not_deployed_into_and_one_that_was_cut_off_is_ended(checkout: Checkout) -> None:
    """A deployment that was killed left a share of the traffic on the version that it tried, and nobody said so."""
    deployed = checkout.deployed
    move = Move(deployed.stack.function("embedding"), "1", deployed.publish("two"))
    give(deployed.client("lambda"), move, 10, found(deployed.client("lambda"), move))
    with pytest.raises(OpsError, match=r"embedding: version 2 with 10 % of the traffic\. Another .*--take-over"):
        checkout.deploy()
    assert checkout.ups == []
    [canary, _] = live_findings(deployed.stack, move.function)
    assert (canary.state, "gives version 2 with 10 % a share" in canary.found) == ("warn", True)
    checkout.code = HANDLER.replace("CODE", "three")
    assert checkout.deploy(take_over=True).data["moved"] == {"embedding": {"from": "1", "to": "3"}}
    assert "AdditionalVersionWeights" not in str(
        deployed.client("lambda").get_alias(FunctionName=deployed.function["name"], Name="live")
    )


@pytest.fixture
def move(deployed: Deployed) -> Move:
    return Move(deployed.stack.function("embedding"), "1", deployed.publish("two"))


class Clock:
    """Time that passes by waiting; `at` is called with each new time."""

    def __init__(self, at: Any = lambda _: None) -> None:
        self.now, self.at = 0.0, at

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.at(self.now)


def test_a_machine_that_shuts_down_ends_a_deployment_as_ctrl_c_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed outright, it left the new version its share."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("ops.deploy.deploy", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
    try:
        with pytest.raises(SystemExit, match="143"):
            main(["deploy", "--stack", "dev"])
    finally:
        signal.signal(signal.SIGTERM, before)


def weights(deployed: Deployed) -> dict[str, float]:
    alias = deployed.client("lambda").get_alias(FunctionName=deployed.function["name"], Name="live")
    assert alias["FunctionVersion"] == "1"
    return alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})


def test_shares_rise_and_are_watched(deployed: Deployed, move: Move) -> None:
    seen: list[tuple[float, dict[str, float]]] = []
    clock = Clock(lambda now: seen.append((now, weights(deployed))))
    roll_out(deployed.stack, [move], [10, 50], 10, say=lambda _: None, wait=clock.wait, clock=lambda: clock.now)
    assert seen == [(5, {"2": 0.1}), (10, {"2": 0.1}), (15, {"2": 0.5}), (20, {"2": 0.5})]
    assert weights(deployed) == {}, "then the update moves the alias"


def alarm(deployed: Deployed, name: str, state: str, function: str | None = None) -> None:
    """One on a function, ours if none is named."""
    client = deployed.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName=name, Namespace="AWS/Lambda", MetricName="Errors", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", Statistic="Sum",
        Dimensions=[{"Name": "FunctionName", "Value": function or deployed.function["name"]}],
    )  # fmt: skip
    client.set_alarm_state(AlarmName=name, StateValue=state, StateReason="test")


def test_an_alarm_that_starts_gives_the_old_version_all_traffic_at_once(deployed: Deployed, move: Move) -> None:
    alarm(deployed, "strata-test-embedding-old-1a", "ALARM")
    alarm(deployed, "strata-test-embedding-errors-1a", "OK")
    alarm(deployed, "strata-other-embedding-errors-1a", "ALARM")
    clock = Clock(lambda now: alarm(deployed, "strata-test-embedding-errors-1a", "ALARM") if now >= 15 else None)
    try:
        with pytest.raises(OpsError, match=r"with 10 % of the traffic .*, strata-test-embedding-errors-1a started"):
            roll_out(deployed.stack, [move], [10], 300, say=lambda _: None, wait=clock.wait, clock=lambda: clock.now)
        assert clock.now == 15
        assert weights(deployed) == {}
    finally:
        names = ["strata-test-embedding-old-1a", "strata-test-embedding-errors-1a", "strata-other-embedding-errors-1a"]
        deployed.client("cloudwatch").delete_alarms(AlarmNames=names)


def test_alarms_that_ring_already_are_named_since_they_cannot_be_watched(deployed: Deployed, move: Move) -> None:
    alarm(deployed, "strata-test-embedding-errors-1a", "ALARM")
    said: list[str] = []
    clock = Clock()
    try:
        roll_out(deployed.stack, [move], [10], 10, say=said.append, wait=clock.wait, clock=lambda: clock.now)
    finally:
        deployed.client("cloudwatch").delete_alarms(AlarmNames=["strata-test-embedding-errors-1a"])
    assert said[0].startswith("in ALARM already")
    assert "strata-test-embedding-errors-1a" in said[0]


def test_only_alarms_of_the_functions_that_are_moved_stop_them(deployed: Deployed, move: Move) -> None:
    """An alarm of embedding_processor, whose name begins as those of embedding, ended the canary of the latter."""
    queue = {"Name": "QueueName", "Value": deployed.function["dlq_arn"].rsplit(":", 1)[-1]}
    names = [f"strata-test-embedding-{name}" for name in ("processor-errors-1a", "dlq-depth-1a")]
    client = deployed.client("cloudwatch")
    alarm(deployed, names[0], "ALARM", "strata-test-embedding-processor-function-1a")
    try:
        assert ringing(deployed.stack, [move]) == set()
        alarm(deployed, names[1], "OK")
        client.put_metric_alarm(
            AlarmName=names[1], Namespace="AWS/SQS", MetricName="m", Period=60, EvaluationPeriods=1, Threshold=1,
            ComparisonOperator="GreaterThanThreshold", Statistic="Sum", Dimensions=[queue],
        )  # fmt: skip
        client.set_alarm_state(AlarmName=names[1], StateValue="ALARM", StateReason="test")
        assert ringing(deployed.stack, [move]) == {names[1]}
    finally:
        client.delete_alarms(AlarmNames=names)


def test_a_rollback_in_the_middle_of_a_canary_wins(deployed: Deployed, move: Move) -> None:
    """The next step moved the alias forward again, and the operator had been told that it was back."""
    good = deployed.publish("three")
    rolled: list[object] = []

    def back(now: float) -> None:
        if now >= 15 and not rolled:
            rolled.append(rollback(deployed.stack, "embedding", to=good))

    clock = Clock(back)
    with pytest.raises(MovedError, match="the alias of embedding was moved meanwhile"):
        roll_out(deployed.stack, [move], [10, 50], 15, say=lambda _: None, wait=clock.wait, clock=lambda: clock.now)
    alias = deployed.client("lambda").get_alias(FunctionName=deployed.function["name"], Name="live")
    assert (alias["FunctionVersion"], alias.get("RoutingConfig")) == (good, None)


def test_a_rollback_while_new_versions_are_tried_wins(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout.code = HANDLER.replace("CODE", "two")
    name, client = checkout.deployed.function["name"], checkout.deployed.client("lambda")
    other = checkout.deployed.publish_by_hand("other")

    def roll_back(*_: object) -> None:
        client.update_alias(FunctionName=name, Name="live", FunctionVersion=other)

    monkeypatch.setattr("ops.deploy.try_versions", roll_back)
    with pytest.raises(MovedError):
        checkout.deploy()
    assert checkout.deployed.alias() == other
    assert len(checkout.ups) == 1


class Losing(Front):
    """Does what is asked of an alias, and loses the answer to the requests of these numbers."""

    def __init__(self, deployed: Deployed, *numbers: int) -> None:
        super().__init__(deployed.account)
        self.client, self.name = deployed.client("lambda"), deployed.function["name"]
        self.numbers, self.seen = numbers, 0

    def own(self, request: str, target: str, body: bytes) -> Answer | None:
        if not re.fullmatch("PUT .*/aliases/live", request):
            return None
        self.seen += 1
        if self.seen not in self.numbers:
            return None
        self.client.update_alias(FunctionName=self.name, Name="live", **json.loads(body))
        return Answer(503, b"{}")


def test_a_share_whose_answer_was_lost_was_not_moved_by_somebody_else(deployed: Deployed, move: Move) -> None:
    """boto3 asks again, with the revision before; the share then stayed, and a rollback was blamed."""
    seen: list[dict[str, float]] = []
    clock = Clock(lambda _: seen.append(weights(deployed)))
    with Losing(deployed, 1, 3) as address:
        stack = deployed.at(address)
        roll_out(stack, [move], [10], 5, say=lambda _: None, wait=clock.wait, clock=lambda: clock.now)
    assert seen == [{"2": 0.1}]
    assert weights(deployed) == {}


def test_one_share_that_cannot_be_taken_off_leaves_no_other_one(deployed: Deployed, move: Move) -> None:
    gone = Move(replace(move.function, key="other"), move.old, move.new)
    client = deployed.client("lambda")
    revision = client.get_alias(FunctionName=deployed.function["name"], Name="live")["RevisionId"]
    revision = give(client, move, 10, revision)
    with Refusing(deployed.account, "PUT .*/aliases/live", FORBIDDEN, times=1) as address:
        stack = deployed.at(address)
        with pytest.raises(OpsError, match=r"may still go to the new version of other \(.*AccessDenied"):
            give_back(stack.client("lambda"), [gone, move], {"other": revision, "embedding": revision})
    assert weights(deployed) == {}


def test_ctrl_c_gives_the_old_version_all_traffic_again(deployed: Deployed, move: Move) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        roll_out(deployed.stack, [move], [10], 300, say=lambda _: None, wait=interrupt)
    assert weights(deployed) == {}
