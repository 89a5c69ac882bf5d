"""The functions whose cold start is measured: their steps, and what runs those in a fresh process.

Owns what belongs to one function. How processes are started, measured and shown is `cold_start.py`'s.
"""

from __future__ import annotations

import base64
import contextlib
import io
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reportlab.pdfgen.canvas import Canvas

from benchmarks import cold_start_probes as probes
from lambdas.knowledge_base import contract
from sandbox.demos.image_processor import samples
from sandbox.standins.openai.server import OpenAIState
from sandbox.standins.openai.server import create_app as openai_app
from sandbox.standins.pinecone.server import PineconeState
from sandbox.standins.pinecone.server import create_app as pinecone_app
from sandbox.standins.serving import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from contextlib import AbstractContextManager

COMMON = {"PATH": os.defpath, "AWS_DEFAULT_REGION": "us-east-1", "POWERTOOLS_SERVICE_NAME": "probe"}


@contextlib.contextmanager
def nothing() -> Generator[dict[str, str]]:
    """A function that calls no service."""
    yield {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One function."""

    function: str
    layers: tuple[str, ...]
    """In the order in which they are attached."""
    wanted_ms: int
    """Of the init phase, and of the steps of `wanted_with`."""
    steps: Mapping[str, str]
    """Step → what it is."""
    init: tuple[str, ...]
    """The steps that Lambda takes before the first event."""
    probe: str
    """Python, between `probes.HEAD` and `probes.TAIL`."""
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    """Those with `{opt}` get the layer's folder."""
    services: Callable[[], AbstractContextManager[dict[str, str]]] = nothing
    """What it calls, on loopback; gives variables."""
    stdin: Callable[[], str] = str
    wanted_with: tuple[str, ...] = ()
    """Steps after the init phase that the wish is for, too."""
    remarks: str = ""


@contextlib.contextmanager
def openai_and_pinecone() -> Generator[dict[str, str]]:
    """Both services on loopback, and the function's variables for them."""
    openai, pinecone = OpenAIState(keys=["probe"]), PineconeState(keys=["probe"])
    openai.embed(["message 1", "message 2"], 384)
    with Server(openai_app(openai)) as first, Server(pinecone_app(pinecone)) as second:
        yield {"OPENAI_BASE_URL": f"{first.url}/v1", "PINECONE_INDEX_HOST": second.url}


@contextlib.contextmanager
def knowledge() -> Generator[dict[str, str]]:
    """A local AWS with the tables, OpenAI and Weaviate on loopback, and the function's variables for them."""
    from sandbox.emulator import Emulator
    from sandbox.standins.running import Running
    from sandbox.workspace import Workspace

    with contextlib.ExitStack() as stack:
        servers = {name: Running(name) for name in ("openai", "weaviate")}
        workspace = stack.enter_context(Workspace("benchmark"))
        account = Emulator(workspace).start()
        for name, server in servers.items():
            server.open(workspace.folder(f"data/{name}"), {})
            stack.callback(server.stop)
        servers["openai"].state.embed(["a question"], 1_536)  # its model is loaded before anything is measured
        for variable, (keys, _) in contract.TABLES.items():
            parts = [(key, kind) for key, kind in zip(keys, ("HASH", "RANGE"), strict=True) if key]
            account.client("dynamodb").create_table(
                TableName=variable,
                KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in parts],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in parts],
                BillingMode="PAY_PER_REQUEST",
            )
        yield {
            **account.environment(),
            **{variable: variable for variable in contract.TABLES},
            contract.PDF_STORAGE_BUCKET: "bucket",
            contract.INGESTION_QUEUE_URL: f"{account.endpoint}/queue",
            contract.JWT_SECRET_KEY: "probe" * 10,
            contract.OPENAI_API_KEY: servers["openai"].key,
            contract.OPENAI_BASE_URL: f"{servers['openai'].url}/v1",
            contract.OPENAI_CHAT_MODEL: "gpt-4.1-mini",
            contract.WEAVIATE_API_KEY: servers["weaviate"].key,
            contract.WEAVIATE_URL: servers["weaviate"].urls["weaviate"],
            contract.WEAVIATE_GRPC_URL: servers["weaviate"].urls["weaviate-grpc"],
        }


@contextlib.contextmanager
def float32_model() -> Generator[dict[str, str]]:
    """The packaged model without quantisation, in a folder of its own."""
    from tests.models import minilm

    yield {"MODEL_PATH": str(minilm("none"))}


def document() -> str:
    """A PDF of ten pages, in base64."""
    out = io.BytesIO()
    canvas = Canvas(out, invariant=True)
    for page in range(10):
        for line in range(40):
            canvas.drawString(72, 770 - 14 * line, f"Page {page}, line {line}: the night train leaves at seven.")
        canvas.showPage()
    canvas.save()
    return base64.b64encode(out.getvalue()).decode()


CASES = (
    Case(
        function="embedding",
        layers=("openai-pinecone",),
        wanted_ms=450,
        steps={
            "runtime": "awslambdaric and what it imports",
            "handler": "our handler: openai, pinecone, Powertools, pydantic, tiktoken, boto3",
            "vocabulary": "tiktoken's vocabulary, read and indexed",
            "clients": "first message: clients made, and what they import",
            "first": "first message: the rest of it, over loopback",
            "second": "second message, for comparison",
        },
        init=("runtime", "handler", "vocabulary"),
        probe=probes.EMBEDDING,
        variables={
            "OPENAI_API_KEY": "probe",
            "PINECONE_API_KEY": "probe",
            "OPENAI_EMBEDDING_MODEL": "text-embedding-3-small",
            "OPENAI_EMBEDDING_DIMENSIONS": "384",
            "TIKTOKEN_CACHE_DIR": "{opt}/tiktoken",
        },
        services=openai_and_pinecone,
        remarks="What is imported at the first message are parts of the services' clients, which these load when they "
        "are used. The handler loads everything else at once on purpose: Lambda gives a starting function a whole "
        "processor, and later one by its memory.",
    ),
    *(
        Case(
            function=name,
            layers=("embedding-dependencies", "embedding-model"),
            wanted_ms=1_000,
            steps={
                "runtime": "awslambdaric and what it imports",
                "handler": "our handler: supabase, Powertools, pydantic, boto3",
                "model": "ONNX Runtime imported, the model loaded",
                "clients": "clients of S3, SQS, Parameter Store and Supabase",
                "first": "first text of 220 tokens, embedded",
                "second": "second text, the same",
            },
            init=("runtime", "handler", "model", "clients"),
            probe=probes.EMBEDDING_PROCESSOR,
            variables={"MODEL_PATH": "{opt}/model"},
            services=model,
            remarks=remarks,
        )
        for name, model, remarks in (
            ("embedding_processor", nothing, "The model is the layer's, in 8 bits."),
            (
                "embedding_processor-float32",
                float32_model,
                "The same with the model in float32, 91 MB, beside the layer.",
            ),
        )
    ),
    Case(
        function="extract_text",
        layers=("extract-text",),
        wanted_ms=400,
        steps={
            "runtime": "awslambdaric and what it imports",
            "handler": "our handler: pypdfium2, tiktoken, Powertools, botocore",
            "vocabulary": "tiktoken's vocabulary, read and indexed",
            "clients": "clients of S3 and SQS",
            "first": "first document: the text of 10 pages, in a process of its own",
            "second": "second document, the same",
            "tables": "first document with a table: pdfplumber imported",
        },
        init=("runtime", "handler", "vocabulary", "clients"),
        probe=probes.EXTRACT_TEXT,
        variables={
            "RESULT_BUCKET": "results",
            "EMBEDDING_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/queue",
            "TIKTOKEN_CACHE_DIR": "{opt}/tiktoken",
        },
        stdin=document,
        remarks="pdfplumber, which reads tables, is imported with the first document that seems to have one.",
    ),
    Case(
        function="image_processor",
        layers=("pymupdf",),
        wanted_ms=350,
        steps={
            "runtime": "awslambdaric and what it imports",
            "powertools": "Powertools: Logger, Metrics",
            "pymupdf": "PyMuPDF, while the garbage collector rests",
            "handler": "our handler, the rest of it",
            "first": "first request: 5 images of 2 pages, a process of its own",
            "second": "second request, the same",
            "drawn": "2 pages drawn at 150 dpi",
        },
        init=("runtime", "powertools", "pymupdf", "handler"),
        probe=probes.IMAGE_PROCESSOR,
        stdin=lambda: base64.b64encode(samples.report()).decode(),
    ),
    Case(
        function="knowledge_base",
        layers=contract.LAYERS,
        wanted_ms=2_000,
        steps={
            "runtime": "awslambdaric and what it imports",
            "handler": "our handler: FastAPI, Mangum, pydantic, Powertools, botocore",
            "application": "the application and its routes",
            "page": "first request: the page",
            "register": "an account is made: argon2, DynamoDB's client",
            "login": "somebody signs in: argon2, a signed token",
            "search": "first search: OpenAI's and Weaviate's clients imported and connected",
            "again": "second search, for comparison",
        },
        init=("runtime", "handler", "application"),
        wanted_with=("page",),
        probe=probes.KNOWLEDGE_BASE,
        variables={"TIKTOKEN_CACHE_DIR": "{opt}/tiktoken"},
        services=knowledge,
        remarks="The clients of OpenAI and Weaviate, "
        "half of all modules, are loaded with the first search: whoever opens the page or signs in does not wait for "
        "them.",
    ),
)
