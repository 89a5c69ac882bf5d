"""The page that people use and the description of the API: files of ours, sent as they are and from nowhere else.

Owns their list and how long a browser may keep them: what the page loads has the version of all of it in its address,
so nobody has a page of one version with a script of another.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Header, Response

from lambdas.knowledge_base.errors import NotFoundError

router = APIRouter(include_in_schema=False)

FOLDER: Final = Path(__file__).resolve().parent.parent / "page"
ASSETS: Final = (
    "api.js",
    "app.js",
    "ask.js",
    "docs.js",
    "documents.js",
    "dom.js",
    "favicon.svg",
    "icons.svg",
    "library.js",
    "messages.js",
    "scope.js",
    "search.js",
    "session.js",
    "style.css",
    "uploads.js",
    "viewer.js",
    "welcome.js",
)
PAGES: Final = ("docs.html", "index.html")
MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
KEPT = "public, max-age=31536000, immutable"
ASKED_FOR = "no-cache"
"""It may be kept, and is asked for each time: the answer is 304 while it is the same."""


@dataclass(frozen=True, slots=True)
class File:
    """What is sent."""

    content: bytes
    media_type: str
    etag: str


@cache
def files() -> dict[str, File]:
    """The files by name; pages name the version of what they load."""
    contents = {name: (FOLDER / name).read_bytes() for name in (*ASSETS, *PAGES)}
    prefix = f'"page/{version()}/'.encode()
    for name in PAGES:
        contents[name] = contents[name].replace(b'"page/', prefix)
    return {
        name: File(content, MEDIA_TYPES[Path(name).suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')
        for name, content in contents.items()
    }


@cache
def version() -> str:
    """Of all that a page loads: another one as soon as one byte of it is."""
    digest = hashlib.sha256()
    for name in ASSETS:
        content = (FOLDER / name).read_bytes()
        digest.update(f"{name} {len(content)} ".encode() + content)
    return digest.hexdigest()[:16]


IfNoneMatch = Annotated[str | None, Header()]


@router.get("/")
def page(if_none_match: IfNoneMatch = None) -> Response:
    """The page that people use."""
    return _answer("index.html", ASKED_FOR, if_none_match)


@router.get("/docs")
def docs(if_none_match: IfNoneMatch = None) -> Response:
    """The description of the API."""
    return _answer("docs.html", ASKED_FOR, if_none_match)


@router.get("/favicon.ico")
def favicon(if_none_match: IfNoneMatch = None) -> Response:
    """What browsers ask for by themselves where no page says otherwise: beside /openapi.json."""
    return _answer("favicon.svg", ASKED_FOR, if_none_match)


@router.get("/page/{of_version}/{name}")
def asset(of_version: str, name: str, if_none_match: IfNoneMatch = None) -> Response:
    """What a page loads. One of before a deployment gets what there is now, and is not to keep it."""
    if name not in ASSETS:
        raise NotFoundError("file")
    return _answer(name, KEPT if of_version == version() else ASKED_FOR, if_none_match)


def _answer(name: str, kept: str, if_none_match: str | None) -> Response:
    file = files()[name]
    headers = {"Cache-Control": kept, "ETag": file.etag}
    if if_none_match is not None and file.etag in (tag.strip() for tag in if_none_match.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
