"""The routes of the contract, as a table: what they take, what they answer, whom they answer to.

From the requirements of knowledge_base, written down once: the tests of the OpenAPI document, of users' isolation and
the load command go by it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Expected:
    """A route: keys of its body and of its answer; a `?` after a name means that it may be left out."""

    status: int
    answer: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    media_type: str = "application/json"
    public: bool = False
    items: tuple[str, ...] = ()
    """Keys of what a list holds, under `items` or `results`."""
    nested: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Key of the answer, or of a list's item, to the keys of what is in it."""


DOCUMENT = ("id", "filename", "status", "progress", "pages", "error", "created_at")
SESSION = ("id", "title", "document_ids", "created_at")
MESSAGE = ("id", "role", "content", "citations", "created_at")
CITATION = ("document_id", "filename", "page", "start", "end", "quote")
PAIR = ("access_token", "refresh_token", "token_type", "expires_in")
LIST = ("items", "next?")

ROUTES: Mapping[str, Expected] = {
    "GET /health": Expected(200, ("status",), public=True),
    "POST /auth/register": Expected(201, ("user_id",), ("email", "password"), public=True),
    "POST /auth/login": Expected(200, PAIR, ("email", "password"), public=True),
    "POST /auth/refresh": Expected(200, PAIR, ("refresh_token",), public=True),
    "POST /auth/logout": Expected(204, body=("refresh_token",), public=True),
    "GET /documents": Expected(200, LIST, items=DOCUMENT, nested={"error": ("code", "message")}),
    "POST /documents": Expected(202, ("id", "status"), ("file",), media_type="multipart/form-data"),
    "POST /documents/uploads": Expected(201, ("document_id", "url", "fields"), ("filename", "bytes")),
    "GET /documents/{document_id}": Expected(200, DOCUMENT, nested={"error": ("code", "message")}),
    "POST /documents/{document_id}/retry": Expected(202, ("id", "status")),
    "DELETE /documents/{document_id}": Expected(204),
    "GET /documents/{document_id}/pages/{number}": Expected(
        200, ("text", "tables", "images"), nested={"images": ("url", "width", "height")}
    ),
    "GET /documents/{document_id}/file": Expected(302),
    "POST /search": Expected(
        200,
        ("results",),
        ("query", "limit?", "document_ids?"),
        items=("document_id", "filename", "page", "score", "snippet"),
    ),
    "POST /chat/sessions": Expected(201, SESSION, ("title?", "document_ids?")),
    "GET /chat/sessions": Expected(200, LIST, items=SESSION),
    "DELETE /chat/sessions/{session_id}": Expected(204),
    "GET /chat/sessions/{session_id}/messages": Expected(200, LIST, items=MESSAGE, nested={"citations": CITATION}),
    "POST /chat/sessions/{session_id}/messages": Expected(201, MESSAGE, ("content",), nested={"citations": CITATION}),
}
"""What /openapi.json describes of the contract."""
BESIDE_THE_CONTRACT: Mapping[str, str] = {
    "GET /documents/{document_id}/pages/{number}/view": "the page shows a cited page as it looks, the quote marked",
}
"""Routes of ours that the requirements do not name, each with its reason."""
HIDDEN: Mapping[str, str] = {
    "GET /": "the page",
    "GET /docs": "the description for people",
    "GET /openapi.json": "the description for programs",
    "GET /favicon.ico": "the page's icon",
    "GET /page/{of_version}/{name}": "what the page and the description are made of",
}
"""Routes that the description leaves out: they are the same for everybody, and need no token."""
