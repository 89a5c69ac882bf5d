"""Functions on the Lambda host: what they see, what they may use, and how they end."""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import shutil
import socket
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from sandbox.cloud import wait_until
from sandbox.lambda_code import PROXY_VARIABLE, running_runtime
from sandbox.lambda_host import LambdaHost
from sandbox.lambda_package import IMAGES
from sandbox.workspace import Identity, Workspace
from tests.sandbox.conftest import CANARY
from tests.sandbox.hosted import Answer, Hosted, zipped

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("lambda-host")

SHOW = """
import os, sys, importlib.util
ENVIRONMENT = dict(os.environ)
def handler(event, context):
    found = {name: importlib.util.find_spec(name) is not None for name in event or []}
    return {"path": sys.path, "environment": ENVIRONMENT, "found": found, "opt": os.listdir("/opt"), "pid": os.getpid()}
"""
LAMBDA_GIVES = {
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"),
    *("AWS_EXECUTION_ENV", "AWS_XRAY_CONTEXT_MISSING", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT", "_HANDLER"),
    *(f"AWS_LAMBDA_FUNCTION_{name}" for name in ("NAME", "VERSION", "MEMORY_SIZE")),
    *(f"AWS_LAMBDA_LOG_{name}" for name in ("GROUP_NAME", "STREAM_NAME", "FORMAT")),
    *("AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_RUNTIME_API", "LANG", "LD_LIBRARY_PATH", "PATH", "TZ"),
}


def mounted(hosted: Hosted) -> bool:
    """Whether this machine lets the host make mount namespaces."""
    found = hosted.run("def handler(event, context): pass")
    assert found.error is None
    return all("namespace" in entry["isolation"][:20] for entry in hosted.host.environments())


# --- what a function sees ---


def test_a_function_sees_its_code_its_layers_and_the_runtime_and_nothing_of_this_machine(hosted: Hosted) -> None:
    layer = hosted.layer({"python/of_the_layer.py": "X = 1"})
    names = ["of_the_layer", "app", "boto3", "awslambdaric", "pulumi", "pytest", "ministack", "sandbox", "pip"]
    seen = hosted.run(SHOW, names, Layers=[layer]).payload
    assert [name for name, there in seen["found"].items() if there] == ["of_the_layer", "app", "boto3", "awslambdaric"]
    assert not [path for path in seen["path"] if "site-packages" in path and not path.startswith("/opt")]
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert seen["path"][1:3] == [f"/opt/python/lib/{version}/site-packages", "/opt/python"]
    assert seen["path"][0] == seen["environment"]["LAMBDA_TASK_ROOT"]


def test_the_environment_holds_what_lambda_gives_the_functions_variables_and_the_emulators_address(
    hosted: Hosted,
) -> None:
    assert CANARY in os.environ
    environment = hosted.run(SHOW, variables={"MINE": "1"}).payload["environment"]
    assert set(environment) - {"_X_AMZN_TRACE_ID"} == LAMBDA_GIVES | {"MINE", "AWS_ENDPOINT_URL"}
    assert PROXY_VARIABLE not in environment
    assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")


def test_layers_are_unpacked_over_each_other_in_their_order(hosted: Hosted) -> None:
    first = hosted.layer({"python/both.py": "X = 'first'", "data/first.txt": ""})
    second = hosted.layer({"python/both.py": "X = 'second'", "data/second.txt": ""})
    code = "import both, os\ndef handler(e, c): return [both.X, sorted(os.listdir('/opt/data'))]"
    assert hosted.run(code, Layers=[first, second]).payload == ["second", ["first.txt", "second.txt"]]
    assert hosted.run(code, Layers=[second, first]).payload == ["first", ["first.txt", "second.txt"]]


def test_code_wins_over_layers_and_layers_over_the_runtime(hosted: Hosted) -> None:
    layer = hosted.layer({"python/app.py": "X = 'layer'", "python/boto3/__init__.py": "X = 'layer'"})
    code = "import boto3\nX = 'code'\ndef handler(e, c):\n    import app\n    return [app.X, boto3.X]"
    assert hosted.run(code, Layers=[layer]).payload == ["code", "layer"]


TRY_TO_WRITE = """
import os
def handler(event, context):
    result = {}
    for path in ["/opt/python/new", "/opt/new", os.environ["LAMBDA_TASK_ROOT"] + "/new", "/tmp/new"]:
        try:
            open(path, "a").close()
            result[path.replace(os.environ["LAMBDA_TASK_ROOT"], "TASK")] = "written"
        except OSError as error:
            result[path.replace(os.environ["LAMBDA_TASK_ROOT"], "TASK")] = error.strerror
    return [result, os.listdir("/tmp")]
"""


def test_only_tmp_is_writable_and_it_is_the_functions_own_and_outlives_an_invocation(hosted: Hosted) -> None:
    if not mounted(hosted):
        pytest.skip("no mount namespaces here")
    name = hosted.function(TRY_TO_WRITE, Layers=[hosted.layer({"python/x.py": ""})])
    written, _ = hosted.invoke(name).payload
    read_only = "Read-only file system"
    expected = {"/opt/python/new": read_only, "/opt/new": read_only, "TASK/new": read_only, "/tmp/new": "written"}
    assert written == expected
    if any(
        "shared /tmp" in entry["isolation"] for entry in hosted.host.environments()
    ):  # what Python or this checkout needs is in /tmp itself
        Path("/tmp/new").unlink()
    else:
        assert hosted.invoke(name).payload[1] == ["new"]
    assert not Path("/tmp/new").exists()


def test_tmp_has_the_size_that_the_function_asks_for(hosted: Hosted) -> None:
    code = """
import errno, os
def handler(event, context):
    try:
        with open("/tmp/data", "wb") as file:
            for _ in range(event["mb"]):
                file.write(bytes(1024 * 1024))
    except OSError as error:
        return errno.errorcode[error.errno]
    finally:
        os.remove("/tmp/data")
    return "written"
"""
    usual = hosted.function(code, memory=512)
    if not mounted(hosted) or any("shared /tmp" in entry["isolation"] for entry in hosted.host.environments()):
        pytest.skip("no /tmp of its own here")
    assert [hosted.invoke(usual, {"mb": mb}).payload for mb in (500, 530)] == ["written", "ENOSPC"]
    more = hosted.function(code, memory=512, EphemeralStorage={"Size": 640})
    assert hosted.invoke(more, {"mb": 530}).payload == "written"


def test_an_image_runs_from_the_folders_that_it_would_hold(hosted: Hosted) -> None:
    tag = f"test-{uuid.uuid4().hex}"
    folder = IMAGES / tag
    files = {
        "task/app.py": "import inner\ndef handler(event, context): return [inner.NAME, open('/opt/asset').read()]",
        "opt/python/inner.py": "NAME = 'from /opt'",
        "opt/asset": "an asset",
        "image.json": json.dumps({"runtime": running_runtime()}),
    }
    try:
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        uri = f"{hosted.account.account}.dkr.ecr.{hosted.account.region}.amazonaws.com/images:{tag}"
        values: dict[str, Any] = {"image": uri, "ImageConfig": {"Command": ["app.handler"]}}
        name = hosted.function("", **values)
        assert hosted.invoke(name).payload == ["from /opt", "an asset"]
        missing = hosted.invoke(hosted.function("", image=f"{uri}-missing")).payload
        assert "cannot be run here" in missing["errorMessage"]
        assert f"{tag}-missing" in missing["errorMessage"]
    finally:
        shutil.rmtree(folder)


def test_a_version_with_snapstart_runs_its_hooks_around_the_snapshot(hosted: Hosted) -> None:
    code = """
import os
from snapshot_restore_py import register_after_restore, register_before_snapshot
ran = []
register_before_snapshot(lambda: ran.append("before"))
register_after_restore(lambda: ran.append("after"))
def handler(event, context):
    return [ran, os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]]
"""
    if running_runtime() == "python3.11":
        with pytest.raises(ClientError, match=r"SnapStart is not supported for the python3\.11 runtime"):
            hosted.function(code, SnapStart={"ApplyOn": "PublishedVersions"})
        return
    name = hosted.function(code, SnapStart={"ApplyOn": "PublishedVersions"})
    assert hosted.invoke(name).payload == [["before", "after"], "snap-start"]
    assert hosted.invoke(name, qualifier="$LATEST").payload == [[], "on-demand"]


def test_this_machines_opt_is_not_changed_and_not_seen(hosted: Hosted) -> None:
    if not mounted(hosted):
        pytest.skip("no mount namespaces here")
    before = sorted(Path("/opt").iterdir())
    seen = hosted.run(SHOW, Layers=[hosted.layer({"python/x.py": "", "only/here.txt": ""})]).payload
    kept = {Path(sys.base_prefix).parts[2]} if sys.base_prefix.startswith("/opt/") else set[str]()
    assert set(seen["opt"]) == {"python", "only"} | kept
    assert sorted(Path("/opt").iterdir()) == before


def test_a_function_without_layers_has_an_empty_opt(hosted: Hosted) -> None:
    if not mounted(hosted) or sys.base_prefix.startswith("/opt/"):
        pytest.skip("no mount namespaces here, or Python itself is in /opt")
    assert hosted.run(SHOW).payload["opt"] == []


def test_the_context_says_which_function_was_called_and_how_long_it_has(hosted: Hosted) -> None:
    code = (
        "def handler(e, c):\n"
        "    return [c.function_name, c.function_version, c.invoked_function_arn, c.memory_limit_in_mb,"
        " c.get_remaining_time_in_millis(), c.log_group_name]"
    )
    name = hosted.function(code, timeout=300, memory=300)
    found = hosted.invoke(name).payload
    arn = f"arn:aws:lambda:{hosted.account.region}:{hosted.account.account}:function:{name}:live"
    assert [found[0], found[1], found[2], found[3], found[5]] == [name, "1", arn, "300", f"/aws/lambda/{name}"]
    assert 200_000 < found[4] <= 300_000


# --- limits ---


def gone(pid: int) -> bool:
    return Identity.of(pid) is None


def test_a_function_that_takes_too_long_is_killed_and_the_next_call_gets_a_new_process(hosted: Hosted) -> None:
    code = (
        "import os, time\n"
        "def handler(e, c):\n"
        "    print('process', os.getpid(), flush=True)\n"
        "    time.sleep(e)\n"
        "    return os.getpid()"
    )
    name = hosted.function(code, timeout=1)
    late = hosted.invoke(name, 250)
    (late_process,) = re.findall(r"^process (\d+)$", late.tail, re.MULTILINE)
    assert late.error == "Unhandled"
    assert late.payload["errorType"] == "Sandbox.Timedout"
    assert late.payload["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert "Task timed out after 1.00 seconds" in late.tail
    assert gone(int(late_process))
    next_calls: list[Answer] = []

    def answered() -> bool:  # a pause of this machine is a second, too
        next_calls.append(hosted.invoke(name, 0))
        return next_calls[-1].error is None

    wait_until(answered, "an answer")
    assert next_calls[-1].payload != int(late_process)


def test_a_function_that_takes_too_much_memory_is_killed(hosted: Hosted) -> None:
    code = (
        "import time\n"
        "def handler(e, c):\n"
        "    x = bytearray(e * 1024 * 1024)\n"
        "    time.sleep(0 if e < 128 else 250)\n"
        "    return len(x)"
    )
    name = hosted.function(code, memory=128, timeout=280)
    assert hosted.invoke(name, 20).payload == 20 * 1024 * 1024
    over = hosted.invoke(name, 200)
    assert over.payload["errorType"] == "Runtime.OutOfMemory"
    assert "signal: killed" in over.payload["errorMessage"]
    assert "Max Memory Used: 128 MB" in over.tail


@pytest.mark.parametrize("started", ["start()", "thread.start(); thread.join()"], ids=["main-thread", "other-thread"])
def test_memory_of_processes_that_a_function_starts_counts(hosted: Hosted, started: str) -> None:
    """Those that a thread had started were not counted: Linux lists children by thread."""
    code = (
        "import subprocess, sys, threading\n"
        "def start():\n"
        "    subprocess.run([sys.executable, '-c', 'import time; x = bytearray(200 << 20); time.sleep(250)'])\n"
        "def handler(e, c):\n"
        "    thread = threading.Thread(target=start)\n"
        f"    {started}\n"
    )
    assert hosted.run(code, memory=128, timeout=280).payload["errorType"] == "Runtime.OutOfMemory"


@pytest.mark.parametrize(("how", "said"), [("os._exit(3)", "exit status 3"), ("os.kill(os.getpid(), 9)", "killed")])
def test_a_process_that_dies_is_an_error_and_the_next_call_works(hosted: Hosted, how: str, said: str) -> None:
    name = hosted.function(f"import os\ndef handler(e, c):\n    if e: {how}\n    return 'fine'")
    dead = hosted.invoke(name, 1)
    assert (dead.error, dead.payload["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert said in dead.payload["errorMessage"]
    assert hosted.invoke(name).payload == "fine"


def test_a_process_that_leaves_a_child_behind_dies_as_any_other(hosted: Hosted) -> None:
    """The child holds its output open, so the host looks for dead processes before the invocation is over."""
    name = hosted.function(
        "import os, subprocess\n"
        "def handler(e, c):\n"
        "    if not e: return 'fine'\n"
        "    subprocess.Popen(['sleep', '5'], start_new_session=True)\n"
        "    os._exit(3)"
    )
    for _ in range(3):
        assert hosted.invoke(name, 1).payload["errorType"] == "Runtime.ExitError"
        assert hosted.invoke(name).payload == "fine"
    assert [entry["state"] for entry in hosted.host.environments() if entry["function"] == name] == ["idle"]


def test_an_exception_comes_back_with_its_type_and_trace_and_the_process_lives_on(hosted: Hosted) -> None:
    name = hosted.function(
        "import os\ndef handler(e, c):\n    if e: raise ValueError('no good')\n    return os.getpid()"
    )
    process = hosted.invoke(name).payload
    failed = hosted.invoke(name, 1)
    assert failed.error == "Unhandled"
    assert (failed.payload["errorType"], failed.payload["errorMessage"]) == ("ValueError", "no good")
    assert "app.py" in failed.payload["stackTrace"][0]
    assert "[ERROR] ValueError: no good" in failed.tail
    assert hosted.invoke(name).payload == process


def test_a_module_that_cannot_be_imported_is_an_init_error_that_names_it(hosted: Hosted) -> None:
    failed = hosted.run("import does_not_exist")
    assert failed.payload["errorType"] == "Runtime.ImportModuleError"
    assert "does_not_exist" in failed.payload["errorMessage"]
    assert "does_not_exist" in failed.tail


def test_a_missing_handler_and_an_exit_during_init_are_errors_too(hosted: Hosted) -> None:
    assert hosted.run("x = 1").payload["errorType"] == "Runtime.HandlerNotFound"
    assert hosted.run("import os; os._exit(5)").payload["errorType"] == "Runtime.ExitError"


def test_an_answer_of_more_than_six_megabytes_is_an_error(hosted: Hosted) -> None:
    name = hosted.function("def handler(e, c): return 'x' * e")
    assert len(hosted.invoke(name, 6_000_000).payload) == 6_000_000
    assert hosted.invoke(name, 6_500_000).payload["errorType"] == "Function.ResponseSizeTooLarge"


# --- concurrency, versions, kinds of events ---


def test_concurrent_calls_get_processes_of_their_own_which_later_calls_reuse(hosted: Hosted) -> None:
    code = (
        "import os, socket\n"
        "def handler(port, c):\n"
        "    if port: socket.create_connection(('127.0.0.1', port)).recv(1)\n"
        "    return os.getpid()"
    )
    name = hosted.function(code, timeout=250)
    with socket.create_server(("127.0.0.1", 0)) as server, concurrent.futures.ThreadPoolExecutor(3) as pool:
        server.settimeout(100)
        calls = [pool.submit(hosted.invoke, name, server.getsockname()[1]) for _ in range(3)]
        for connection in [server.accept()[0] for _ in calls]:  # all three are at work
            connection.close()
        together = {call.result().payload for call in calls}
    assert len(together) == 3
    assert {hosted.invoke(name, 0).payload for _ in range(4)} <= together


def test_a_published_version_keeps_its_code_and_its_layers_when_newer_ones_replace_them(hosted: Hosted) -> None:
    lambda_ = hosted.account.client("lambda")
    layer = hosted.layer({"python/of_layer.py": "X = 'old layer'"})
    name = hosted.function("import of_layer\ndef handler(e, c): return ['old code', of_layer.X]", Layers=[layer])
    new = hosted.layer({"python/of_layer.py": "X = 'new layer'"})
    lambda_.update_function_configuration(FunctionName=name, Layers=[new])
    code = "import of_layer\ndef handler(e, c): return ['new code', of_layer.X]"
    lambda_.update_function_code(FunctionName=name, ZipFile=zipped({"app.py": code}), Publish=True)
    lambda_.delete_layer_version(LayerName=layer.split(":")[6], VersionNumber=int(layer.split(":")[7]))
    assert hosted.invoke(name, qualifier="2").payload == ["new code", "new layer"]
    assert hosted.invoke(name).payload == ["old code", "old layer"]


def test_a_changed_variable_reaches_the_next_call_of_latest(hosted: Hosted) -> None:
    name = hosted.function("import os\ndef handler(e, c): return os.environ['A']", variables={"A": "1"})
    assert hosted.invoke(name, qualifier="$LATEST").payload == "1"
    variables = {PROXY_VARIABLE: hosted.host.url, "A": "2"}
    hosted.account.client("lambda").update_function_configuration(
        FunctionName=name, Environment={"Variables": variables}
    )
    assert hosted.invoke(name, qualifier="$LATEST").payload == "2"
    assert hosted.invoke(name).payload == "1"


ALWAYS_FAILS = "def handler(e, c):\n    print('attempt', c.aws_request_id)\n    raise RuntimeError('never works')"


def async_function(hosted: Hosted, *, may_send: bool, group: str) -> tuple[str, str]:
    """A function that always fails, with a dead-letter queue on its alias; its name and the queue."""
    url, arn = hosted.queue()
    streams = f"arn:aws:logs:*:*:log-group:{group}:*"
    statements = [{"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": streams}]
    if may_send:
        statements.append({"Effect": "Allow", "Action": ["sqs:SendMessage"], "Resource": arn})
    name = hosted.function(ALWAYS_FAILS, role=hosted.role(statements), group=group)
    hosted.account.client("lambda").put_function_event_invoke_config(
        FunctionName=name,
        Qualifier="live",
        MaximumRetryAttempts=2,
        DestinationConfig={"OnFailure": {"Destination": arn}},
    )
    return name, url


def test_an_async_event_that_fails_is_tried_three_times_as_one_request_then_goes_to_the_dead_letter_queue(
    hosted: Hosted,
) -> None:
    name, url = async_function(hosted, may_send=True, group="async-fails")
    hosted.account.client("lambda").invoke(
        FunctionName=name, Qualifier="live", InvocationType="Event", Payload=b'{"n": 1}'
    )
    (body,) = hosted.received(url, seconds=100)
    envelope = json.loads(body)
    assert envelope["requestPayload"] == {"n": 1}
    assert envelope["requestContext"]["condition"] == "RetriesExhausted"
    assert envelope["responsePayload"]["errorMessage"] == "never works"
    attempts = [line for line in hosted.log("async-fails") if line.startswith("attempt")]
    assert len(attempts) == 3
    assert set(attempts) == {f"attempt {envelope['requestContext']['requestId']}"}


def test_a_role_that_may_not_send_loses_the_failed_event_as_in_aws(hosted: Hosted) -> None:
    name, url = async_function(hosted, may_send=False, group="async-lost")
    hosted.account.client("lambda").invoke(FunctionName=name, Qualifier="live", InvocationType="Event", Payload=b"{}")

    def tried() -> bool:
        return sum(line.startswith("attempt") for line in hosted.log("async-lost")) == 3

    wait_until(tried, "three attempts", 100)
    assert hosted.received(url, seconds=1) == []


def test_a_notification_is_an_async_event_with_retries_and_a_dead_letter_queue(hosted: Hosted) -> None:
    name, url = async_function(hosted, may_send=True, group="sns-fails")
    sns = hosted.account.client("sns")
    topic = sns.create_topic(Name="topic-for-a-function")["TopicArn"]
    arn = f"arn:aws:lambda:{hosted.account.region}:{hosted.account.account}:function:{name}:live"
    hosted.account.client("lambda").add_permission(
        FunctionName=name,
        Qualifier="live",
        StatementId="sns",
        Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
        SourceArn=topic,
    )
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="hello")
    (body,) = hosted.received(url, seconds=100)
    assert json.loads(body)["requestPayload"]["Records"][0]["Sns"]["Message"] == "hello"
    assert sum(line.startswith("attempt") for line in hosted.log("sns-fails")) == 3


# --- logs ---


def with_logs(hosted: Hosted, group: str, code: str, **options: Any) -> str:
    streams = f"arn:aws:logs:*:*:log-group:{group}:*"
    statement = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": streams}
    return hosted.function(code, role=hosted.role([statement]), group=group, **options)


SAYS = (
    "import logging\n"
    "def handler(e, c):\n"
    "    print('printed')\n"
    "    logging.getLogger().error('two\\nlines')\n"
    "    return 1"
)


def test_the_log_group_gets_what_lambda_writes(hosted: Hosted) -> None:
    name = with_logs(hosted, "text-logs", SAYS)
    hosted.invoke(name)
    hosted.invoke(name)
    lines = hosted.log("text-logs")
    kinds = [line.split(" ")[0] for line in lines if line.split(" ")[0] in {"INIT_START", "START", "END", "REPORT"}]
    assert kinds == ["INIT_START", "START", "END", "REPORT", "START", "END", "REPORT"]
    cold, warm = (line for line in lines if line.startswith("REPORT"))
    assert "Init Duration:" in cold
    assert "Init Duration:" not in warm
    for report in (cold, warm):
        assert "Memory Size: 256 MB" in report
        assert "Billed Duration:" in report
    assert lines.count("printed") == 2
    assert sum("two\nlines" in line for line in lines) == 2, "a record of several lines is one event"


def test_the_json_format_makes_the_platforms_lines_json_too(hosted: Hosted) -> None:
    name = with_logs(hosted, "json-logs", SAYS, log_format="JSON")
    request = hosted.invoke(name)
    assert request.error is None
    events = [json.loads(line) for line in hosted.log("json-logs") if line.startswith("{")]
    assert [event["type"] for event in events if "type" in event] == [
        "platform.initStart",
        "platform.start",
        "platform.report",
    ]
    (report,) = [event["record"] for event in events if event.get("type") == "platform.report"]
    assert report["status"] == "success"
    assert report["metrics"]["memorySizeMB"] == 256
    assert [event["message"] for event in events if event.get("level") == "ERROR"] == ["two\nlines"]


def test_a_role_that_may_not_write_logs_loses_them_and_the_function_still_runs(hosted: Hosted) -> None:
    name = hosted.function(SAYS, group="no-permission")
    assert hosted.invoke(name).payload == 1
    assert hosted.log("no-permission") == []


# --- credentials ---


def test_a_function_may_do_what_its_role_allows_and_nothing_else(hosted: Hosted) -> None:
    _, arn = hosted.queue()
    code = (
        "import boto3\n"
        "def handler(e, c):\n"
        "    url = boto3.client('sqs').get_queue_url(QueueName=e)['QueueUrl']\n"
        "    return boto3.client('sts').get_caller_identity()['Arn'].split(':')[5]"
    )
    allowed = hosted.role([{"Effect": "Allow", "Action": ["sqs:GetQueueUrl"], "Resource": arn}])
    name = arn.rsplit(":", 1)[1]
    assert hosted.run(code, name, role=allowed).payload == f"assumed-role/{allowed.rsplit('/', 1)[1]}/lambda"
    assert "AccessDenied" in hosted.run(code, name).payload["errorMessage"]


# --- faults, for chaos ---


def test_idle_processes_can_be_listed_and_killed(hosted: Hosted) -> None:
    name = hosted.function("import os\ndef handler(e, c): return os.getpid()")
    process = hosted.invoke(name).payload
    (entry,) = [entry for entry in hosted.host.environments() if entry["function"] == name]
    assert (entry["pid"], entry["state"], entry["invocations"]) == (process, "idle", 1)
    assert hosted.host.kill(pid=process) == [process]
    assert hosted.invoke(name).payload != process
    assert gone(process)


def test_a_planned_fault_kills_before_the_work_or_after_it(hosted: Hosted) -> None:
    url, arn = hosted.queue()
    code = (
        "import boto3, time\n"
        "def handler(e, c):\n"
        "    time.sleep(0.3)\n"
        "    boto3.client('sqs').send_message(QueueUrl=e, MessageBody='done')\n"
        "    return 'answer'"
    )
    role = hosted.role([{"Effect": "Allow", "Action": ["sqs:SendMessage"], "Resource": arn}])
    name = hosted.function(code, role=role)
    hosted.host.plan_fault(name, "running")
    assert hosted.invoke(name, url).payload["errorType"] == "Runtime.ExitError"
    assert hosted.received(url) == []
    hosted.host.plan_fault(name, "answered")
    assert hosted.invoke(name, url).payload["errorType"] == "Runtime.ExitError"
    assert hosted.received(url, seconds=60) == ["done"]
    assert hosted.invoke(name, url).payload == "answer"


def test_faults_by_number_happen_to_those_invocations_and_to_no_others(hosted: Hosted) -> None:
    url, arn = hosted.queue()
    code = (
        "import boto3, time\n"
        "def handler(e, c):\n"
        "    boto3.client('sqs').send_message(QueueUrl=e['url'], MessageBody=str(e['number']))\n"
        "    time.sleep(e['seconds'])\n"
        "    return e['number']"
    )
    name = hosted.function(
        code, role=hosted.role([{"Effect": "Allow", "Action": ["sqs:SendMessage"], "Resource": arn}])
    )

    def invoke(number: int, seconds: float = 0) -> object:
        return hosted.invoke(name, {"url": url, "number": number, "seconds": seconds}).payload

    assert invoke(0) == 0
    hosted.host.plan_fault(name, "running", at=[2])
    hosted.host.plan_fault(name, "answered", at=[3])
    hosted.host.plan_fault(name, "working", at=[4])
    hosted.host.plan_fault(name, "twice", at=[5])
    assert hosted.host.faults_left(name) == 4
    answers = [invoke(number, seconds=60 if number == 4 else 0) for number in range(1, 7)]
    killed = [number for number, answer in enumerate(answers, 1) if answer != number]
    assert killed == [2, 3, 4]
    assert hosted.host.faults_left(name) == 0
    sent: list[str] = []
    end = time.monotonic() + 100  # the second of the fifth may still be starting
    while sent.count("5") < 2 and time.monotonic() < end:
        sent += hosted.received(url, seconds=1)
    assert sorted(set(sent)) in (list("01356"), list("013456")), "nothing by the second, everything else"
    assert sent.count("5") == 2


CONNECT = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1]))).recv(1)"


@pytest.mark.parametrize("hides", ["None", "ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)"], ids=["open", "hidden"])
def test_the_function_behind_a_connection_of_a_process_that_it_started_is_found(hosted: Hosted, hides: str) -> None:
    """Also where both keep what they have open from other processes of their user: root sees it all the same."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        child = f"import ctypes; {hides}; {CONNECT}"
        code = (
            "import ctypes, os, subprocess, sys\n"
            "def handler(e, c):\n"
            f"    {hides}\n"
            f"    subprocess.run([sys.executable, '-c', {child!r}, str(e)], check=True)\n"
            "    return os.getpid()"
        )
        name = hosted.function(code)
        answers: list[int] = []
        caller = threading.Thread(target=lambda: answers.append(hosted.invoke(name, port).payload))
        caller.start()
        connection, peer = server.accept()
        found = hosted.host.pid_of_connection(peer[1])
        connection.close()
        caller.join()
    assert [found] == answers
    assert hosted.host.pid_of_connection(1) is None


# --- nothing is left ---


@pytest.fixture
def second_host(hosted: Hosted) -> Iterator[tuple[Hosted, Workspace]]:
    with Workspace("tests-second-host") as workspace:
        host = LambdaHost(workspace)
        host.start(hosted.account)
        yield Hosted(hosted.account, host), workspace


STARTS_A_CHILD = (
    "import os, subprocess, sys\n"
    "def handler(e, c):\n"
    "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "    return [os.getpid(), child.pid]"
)


def test_stopping_the_host_ends_its_functions_and_what_they_started(second_host: tuple[Hosted, Workspace]) -> None:
    hosted, _ = second_host
    pids = hosted.run(STARTS_A_CHILD).payload
    assert not any(gone(pid) for pid in pids)
    hosted.host.stop()
    wait_until(lambda: all(gone(pid) for pid in pids), "the processes to end")


def test_functions_die_with_a_host_that_is_killed(second_host: tuple[Hosted, Workspace]) -> None:
    hosted, workspace = second_host
    pid = hosted.run("import os\ndef handler(e, c): return os.getpid()").payload
    recorded = [json.loads(line) for line in (workspace.path / "processes").read_text().splitlines()]
    (host,) = [entry["pid"] for entry in recorded if entry["what"] == "lambda-host"]
    os.kill(host, 9)
    wait_until(lambda: gone(pid), "the function's process to end")
