"""Route /documents/{id}/pages/{n}/view: a page as it looks, and where a quote stands on it."""

import json
import secrets
from typing import Annotated, Self

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from lambdas.knowledge_base.app import schemas
from lambdas.knowledge_base.app.responses import errors
from lambdas.knowledge_base.app.security import AppServices, CurrentUser

router = APIRouter(prefix="/documents/{document_id}/pages/{number}", tags=["documents"])

MOST = 2**31 - 1
KEPT_SECONDS = 300
FORM = "multipart/form-data"
"""Whose parts a browser takes apart by itself (`Response.formData`); in JSON a picture has a third more bytes."""

Number = Annotated[int, Path(ge=1, le=MOST, description="of the page, from 1")]
Place = Annotated[int, Field(ge=0, le=MOST)]


class Quote(BaseModel):
    """Characters of a page's text, or none."""

    model_config = ConfigDict(extra="forbid", frozen=True)  # not strict: a query is text

    start: Place | None = None
    """Index of the first one."""
    end: Place | None = None
    """Index behind the last one."""

    @model_validator(mode="after")
    def _has_characters(self) -> Self:
        if (self.start is None) != (self.end is None):
            raise ValueError("start and end stand together: give both, or neither")
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError(f"start is {self.start} and end is {self.end}: start has to be less than end")
        return self

    @property
    def place(self) -> tuple[int, int] | None:
        """From and to."""
        return None if self.start is None or self.end is None else (self.start, self.end)


class Mark(schemas.Answer):
    """A box, as shares (0 to 1) of the page's width and height, from its top left."""

    left: float
    top: float
    width: float
    height: float


class PageView(schemas.Answer):
    """The parts of the form."""

    image: Annotated[bytes, Field(json_schema_extra={"contentMediaType": "image/png"})]
    """A PNG of up to 4 MB."""
    marks: list[Mark]
    """JSON. Where the quote stands: one box a line, and none when it cannot be found on the page."""


@router.get(
    "/view",
    summary="A page as it looks, and a quote on it",
    response_class=Response,
    responses={
        200: {"content": {FORM: {"schema": PageView.model_json_schema()}}, "description": "A form with two parts"},
        **errors(404, 409, 422),
    },
)
def view(
    document_id: str, number: Number, quote: Annotated[Quote, Query()], user: CurrentUser, services: AppServices
) -> Response:
    """A page as a picture, with boxes around the characters of its text from `start` to before `end`."""
    seen = services.page_views.view(user.id, document_id, number, quote.place)
    # A cache that has it for one token gives it to no other: another user may sit at this browser.
    headers = {"Cache-Control": f"private, max-age={KEPT_SECONDS}", "Vary": "Authorization"}
    boxes = json.dumps([box._asdict() for box in seen.marks]).encode()
    boundary = secrets.token_hex(16)
    body = b"".join(
        [
            _part(boundary, 'name="marks"', "application/json", boxes),
            _part(boundary, 'name="image"; filename="page.png"', "image/png", seen.picture),
            f"--{boundary}--\r\n".encode(),
        ]
    )
    return Response(body, media_type=f"{FORM}; boundary={boundary}", headers=headers)


def _part(boundary: str, disposition: str, media_type: str, content: bytes) -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: {media_type}\r\n\r\n"
    return head.encode() + content + b"\r\n"
