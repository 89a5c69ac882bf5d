"""The Python that a cold start is measured by: in a fresh process, with nothing but a function's own path.

`HEAD` and `TAIL` belong to every probe; between them stand a function's steps, under the names that its case has in
`cold_start_cases.py`.
"""

HEAD = """
import importlib, json, os, sys, time
clock = time.perf_counter
steps, processor, modules = {}, {}, {}
def step(name, work):
    before, started, used = set(sys.modules), clock(), time.process_time()
    result = work()
    steps[name], processor[name] = clock() - started, time.process_time() - used
    modules[name] = len(set(sys.modules) - before)
    sys.stderr.write(f"== {name}\\n")
    sys.stderr.flush()
    return result
def handler(system):
    return step("handler", lambda: importlib.import_module(f"lambdas.{system}.handler"))
sys.path[:0] = json.loads(sys.argv[1])
class Context:
    function_name = memory_limit_in_mb = aws_request_id = invoked_function_arn = "probe"
    def get_remaining_time_in_millis(self):
        return 60_000
def runtime():
    import awslambdaric.bootstrap, awslambdaric.lambda_context
step("runtime", runtime)
"""
TAIL = """
os.write(int(sys.argv[2]), json.dumps({"steps": steps, "processor": processor, "modules": modules}).encode())
"""

EMBEDDING_PROCESSOR = """
module = handler("embedding_processor")
from lambdas.shared.startup import starting
with starting():
    model = step("model", module._embedder)
    step("clients", module._documents)
text = "".join(f"The queue keeps message {n} until its bucket has been read, and nobody waits. " for n in range(13))
def embed():
    assert model.embed([text]).shape == (1, 384)
step("first", embed)
step("second", embed)
"""

EMBEDDING = """
module = handler("embedding")
step("vocabulary", module._tokenizer)
def record(n):
    record = {"messageId": str(n), "body": f"message {n}", "attributes": {}, "receiptHandle": "x"}
    return record | {"eventSource": "aws:sqs"}
def message(n):
    answer = module.handler({"Records": [record(n)]}, Context())
    assert answer == {"batchItemFailures": []}, answer
step("clients", module._pipeline)
step("first", lambda: message(1))
step("second", lambda: message(2))
"""

EXTRACT_TEXT = """
import base64, pathlib, tempfile
module = handler("extract_text")
from lambdas.shared.startup import starting
with starting():
    step("vocabulary", module._tokenizer)
    step("clients", module._documents)
from lambdas.shared.pdf import reading
from lambdas.shared.deadline import Deadline
folder = tempfile.TemporaryDirectory()
path = pathlib.Path(folder.name, "document.pdf")
path.write_bytes(base64.b64decode(sys.stdin.read()))
budget = reading.Budget(memory_bytes=1 << 30, deadline=Deadline.after(60), max_pages=100)
def read():
    pages = reading.read_pages(path, budget, plain=False)
    assert len(pages) == 10 and "night train" in pages[9].text, pages
def tables():
    import lambdas.shared.pdf.tables
step("first", read)
step("second", read)
step("tables", tables)
folder.cleanup()
"""

IMAGE_PROCESSOR = """
def powertools():
    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.metrics import MetricUnit
def pymupdf():
    import lambdas.image_processor.engine
step("powertools", powertools)
step("pymupdf", pymupdf)
module = handler("image_processor")
data = sys.stdin.read()
def ask(operation, count):
    answer = module.handler({"operation": operation, "file_bytes_base64": data}, Context())
    assert answer["status"] == "ok" and len(answer["images"]) == count, answer
step("first", lambda: ask("extract_images", 5))
step("second", lambda: ask("extract_images", 5))
step("drawn", lambda: ask("render_pages", 2))
"""

KNOWLEDGE_BASE = """
module = handler("knowledge_base")
from lambdas.shared.startup import starting
with starting():
    step("application", module._gateway)
def ask(method, path, body=None, token=""):
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "probe"}
    about = {"http": http, "requestId": "r", "stage": "$default", "accountId": "1", "apiId": "a", "domainName": "a.b"}
    headers = {"content-type": "application/json", "host": "a.b"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    event = {"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": headers}
    event |= {"requestContext": about, "isBase64Encoded": False} | ({"body": json.dumps(body)} if body else {})
    answer = module.handler(event, Context())
    assert answer["statusCode"] < 300, answer
    return answer["body"]
import secrets
somebody = {"email": f"{secrets.token_hex(8)}@example.com", "password": "a password of the probe"}
step("page", lambda: ask("GET", "/"))
step("register", lambda: ask("POST", "/auth/register", somebody))
token = json.loads(step("login", lambda: ask("POST", "/auth/login", somebody)))["access_token"]
step("search", lambda: ask("POST", "/search", {"query": "a question"}, token))
step("again", lambda: ask("POST", "/search", {"query": "a question"}, token))
"""
