"""A corpus that every machine has: the documentation of Python's functions. First line: query; the rest: document."""

from __future__ import annotations

import inspect
import pkgutil
import re
from importlib import import_module
from typing import Any

MODULES = (
    *(
        "argparse",
        "ast",
        "asyncio",
        "base64",
        "bisect",
        "calendar",
        "cmath",
        "codecs",
        "collections",
        "concurrent.futures",
    ),
    *(
        "configparser",
        "contextlib",
        "copy",
        "csv",
        "ctypes",
        "dataclasses",
        "datetime",
        "decimal",
        "difflib",
        "dis",
        "doctest",
    ),
    *(
        "email",
        "enum",
        "fileinput",
        "fnmatch",
        "fractions",
        "ftplib",
        "functools",
        "gettext",
        "glob",
        "gzip",
        "hashlib",
    ),
    *(
        "heapq",
        "html",
        "http",
        "imaplib",
        "inspect",
        "io",
        "ipaddress",
        "itertools",
        "json",
        "locale",
        "logging",
        "mailbox",
    ),
    *(
        "math",
        "mimetypes",
        "multiprocessing",
        "os",
        "pathlib",
        "pdb",
        "pickle",
        "plistlib",
        "pprint",
        "random",
        "re",
        "sched",
    ),
    *(
        "shutil",
        "smtplib",
        "socket",
        "sqlite3",
        "ssl",
        "statistics",
        "string",
        "subprocess",
        "tarfile",
        "tempfile",
        "textwrap",
    ),
    *(
        "threading",
        "timeit",
        "tokenize",
        "traceback",
        "turtle",
        "typing",
        "unittest",
        "urllib",
        "uuid",
        "warnings",
        "weakref",
    ),
    *("wsgiref", "xml", "xmlrpc", "zipfile"),
)
LEAST_CHARACTERS = 80


def pairs() -> list[tuple[str, str]]:
    """Queries and documents, in a fixed order, without two of the same document."""
    found: dict[str, str] = {}
    for name in MODULES:
        for module in _with_submodules(name):
            for text in _docstrings(module):
                query, _, document = text.partition("\n\n")
                document = re.sub(r"\s+", " ", document).strip()
                if len(document) >= LEAST_CHARACTERS and len(query.split()) >= 4:
                    found.setdefault(document[:1_000], " ".join(query.split()))
    return sorted((query, document) for document, query in found.items())


def recall_at(count: int, vectors: dict[str, Any]) -> float:
    """The share of queries whose document is among so many nearest."""
    import numpy as np

    queries, documents = (np.array(vectors[name], np.float32) for name in ("queries", "documents"))
    nearest = np.argsort(-(queries @ documents.T), axis=1)[:, :count]
    return round(float((nearest == np.arange(len(queries))[:, None]).any(axis=1).mean()), 4)


def _with_submodules(name: str) -> list[Any]:
    try:
        module = import_module(name)
    except ImportError:
        return []
    found = [module]
    for info in pkgutil.iter_modules(getattr(module, "__path__", ())):
        if not info.name.startswith("_"):
            try:
                found.append(import_module(f"{name}.{info.name}"))
            except Exception:  # noqa: BLE001, S112  a part that this machine lacks
                continue
    return found


def _docstrings(module: Any) -> list[str]:
    found: list[str] = []
    for thing in _values(module):
        members = _values(thing) if inspect.isclass(thing) else []
        texts = [getattr(member, "__doc__", None) for member in [thing, *members] if callable(member)]
        found += [inspect.cleandoc(text) for text in texts if isinstance(text, str)]
    return found


def _values(holder: Any) -> list[Any]:
    held: dict[str, Any] = holder.__dict__
    return list(held.values())
