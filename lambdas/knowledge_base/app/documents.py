"""Routes /documents: files in, their state, their pages, and out again."""

from typing import Annotated

from fastapi import APIRouter, Depends, File, Query, Request, Response, UploadFile
from fastapi.responses import RedirectResponse
from pydantic import Field

from lambdas.knowledge_base import contract
from lambdas.knowledge_base.app import schemas
from lambdas.knowledge_base.app.responses import errors
from lambdas.knowledge_base.app.security import AppServices, CurrentUser
from lambdas.knowledge_base.documents import Document, Status
from lambdas.knowledge_base.errors import ApiError, BadRequestError

router = APIRouter(prefix="/documents", tags=["documents"])

PDF_MARK = b"%PDF-"
MARK_WITHIN_BYTES = 1_024
"""Where readers commonly look for it."""
MOST_LISTED = 100
LONGEST_FILENAME = 1_000
"""Characters that are taken; what is kept of them is shorter."""


class Reason(schemas.Answer):
    """Why a document failed."""

    code: str
    message: str


class DocumentAnswer(schemas.Answer):
    """A document."""

    id: str
    filename: str
    status: Status
    progress: Annotated[int, Field(ge=0, le=100)]
    """Percent."""
    pages: int
    """0 until they are counted."""
    error: Reason | None
    """Why it failed."""
    created_at: str
    """ISO 8601, UTC."""


class DocumentList(schemas.Answer):
    """Documents, newest first."""

    items: list[DocumentAnswer]
    next: str | None = None
    """The cursor of the next ones; null when these are the last."""


class Accepted(schemas.Answer):
    """A document that waits to be read."""

    id: str
    status: Status


class UploadRequest(schemas.Request):
    """A file that is going to be sent to the bucket."""

    filename: Annotated[str, Field(min_length=1, max_length=LONGEST_FILENAME, examples=["report.pdf"])]
    bytes: Annotated[int, Field(ge=1, examples=[5_000_000])]
    """Of the file: a larger one is refused."""


class UploadForm(schemas.Answer):
    """A form of which the last field is `file`: sent within an hour, the document is read."""

    document_id: str
    url: str
    fields: dict[str, str]


class ImageAnswer(schemas.Answer):
    """An image of a page."""

    url: str
    """For five minutes."""
    width: int
    height: int
    """Pixels."""


class PageAnswer(schemas.Answer):
    """A page."""

    text: str
    tables: list[list[list[str | None]]]
    """Of each its rows, of these their cells."""
    images: list[ImageAnswer]


async def one_field(request: Request) -> None:
    """Refuse a form with anything beside its file.

    Raises:
        BadRequestError: 400.
    """
    fields = (await request.form()).multi_items()
    if [(name, isinstance(value, str)) for name, value in fields] == [("file", True)]:
        raise BadRequestError(
            "The field file has to be a file: its part of the form needs a name (filename=, and not filename*=).",
            "one_file",
        )
    if len(fields) > 1:
        raise BadRequestError("The form has to have one field, file, with one file in it.", "one_file")


@router.get("", summary="List documents", responses=errors(400))
def documents(
    user: CurrentUser,
    services: AppServices,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 20,
    cursor: Annotated[str | None, Query(description="`next` of the answer before")] = None,
) -> DocumentList:
    """List them, newest first."""
    found, following = services.documents.list(user.id, limit, cursor)
    return DocumentList(items=[_shown(document) for document in found], next=following)


@router.post(
    "", status_code=202, summary="Upload a PDF of up to 4 MB", dependencies=[Depends(one_field)], responses=errors(413)
)
def upload(user: CurrentUser, services: AppServices, file: Annotated[UploadFile, File()]) -> Accepted:
    """Take a PDF in. It is read afterwards: its status says how far."""
    data = file.file.read()
    if not data:
        raise BadRequestError("The file is empty.", "empty_file")
    if len(data) > contract.MAX_DIRECT_BYTES:
        raise ApiError(413, "too_large", "Files above 4 MB go by POST /documents/uploads.")
    if PDF_MARK not in data[:MARK_WITHIN_BYTES]:
        raise ApiError(415, "not_a_pdf", "The file is not a PDF.")
    return _accepted(services.documents.create(user.id, file.filename or "", data))


@router.post("/uploads", status_code=201, summary="Get a form for a PDF of up to 100 MB", responses=errors(413))
def announce(asked: UploadRequest, user: CurrentUser, services: AppServices) -> UploadForm:
    """Get a form to upload a PDF with. What is not uploaded within an hour cannot be; its document goes after a day."""
    if asked.bytes > contract.MAX_UPLOAD_BYTES:
        raise ApiError(413, "too_large", "Files may have 100 MB at most: split it.")
    document, url, fields = services.documents.announce(user.id, asked.filename, asked.bytes)
    return UploadForm(document_id=document.id, url=url, fields=fields)


@router.get("/{document_id}", summary="Get a document", responses=errors(404))
def document(document_id: str, user: CurrentUser, services: AppServices) -> DocumentAnswer:
    """Get its state."""
    return _shown(services.documents.get(user.id, document_id))


@router.post("/{document_id}/retry", status_code=202, summary="Read a document again", responses=errors(404, 409))
def retry(document_id: str, user: CurrentUser, services: AppServices) -> Accepted:
    """Read one again that failed."""
    return _accepted(services.documents.retry(user.id, document_id))


@router.delete(
    "/{document_id}", status_code=204, summary="Delete a document", response_class=Response, responses=errors(404)
)
def delete(document_id: str, user: CurrentUser, services: AppServices) -> None:
    """Delete it, with everything that was made of it; also while it is being read."""
    services.documents.delete(user.id, document_id)


@router.get("/{document_id}/pages/{number}", summary="Get a page", responses=errors(404, 409))
def page(document_id: str, number: int, user: CurrentUser, services: AppServices) -> PageAnswer:
    """Get a page, from 1, of a document that is ready."""
    found = services.documents.page(user.id, document_id, number)
    images = [
        ImageAnswer(url=services.files.image_link(image), width=image.width, height=image.height)
        for image in found.images
    ]
    return PageAnswer(text=found.text, tables=found.tables, images=images)


@router.get(
    "/{document_id}/file",
    status_code=302,
    summary="Get the PDF",
    response_class=RedirectResponse,
    responses=errors(404, 409),
)
def file(document_id: str, user: CurrentUser, services: AppServices) -> RedirectResponse:
    """Get an address of the file, in the header Location, for five minutes."""
    return RedirectResponse(services.documents.link(user.id, document_id), 302)


def _shown(document: Document) -> DocumentAnswer:
    return DocumentAnswer(
        id=document.id,
        filename=document.filename,
        status=document.status,
        progress=document.progress,
        pages=document.pages,
        error=Reason(code=document.error.code, message=document.error.message) if document.error else None,
        created_at=document.created_at,
    )


def _accepted(document: Document) -> Accepted:
    return Accepted(id=document.id, status=document.status)
