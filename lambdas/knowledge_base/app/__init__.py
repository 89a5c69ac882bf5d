"""The API as an ASGI application. It knows nothing of Lambda: `gateway.py` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI

from lambdas.knowledge_base.app import accounts, chat, documents, health, page, page_views, search
from lambdas.knowledge_base.app.limits import BodyLimit, checked_media_type
from lambdas.knowledge_base.app.problems import Problems, add_handlers
from lambdas.knowledge_base.app.responses import COMMON
from lambdas.knowledge_base.app.security_headers import SecurityHeaders, bucket_origin, policy

if TYPE_CHECKING:
    from lambdas.knowledge_base.services import Services

ROUTERS = (
    health.router,
    accounts.router,
    documents.router,
    page_views.router,
    search.router,
    chat.router,
    page.router,
)
"""In the order in which they are looked through, and in which /docs shows them."""


def create_app(services: Services) -> FastAPI:
    """The application.

    Args:
        services: what its routes work with.
    """
    app = FastAPI(
        title="knowledge_base",
        description="PDFs in, search and chat with sources out.",
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(checked_media_type)],
        responses=COMMON,
    )
    app.state.services = services
    for router in ROUTERS:
        app.include_router(router)
    add_handlers(app)
    # The last that is added is the outermost: an answer of any of them has the headers.
    app.add_middleware(BodyLimit)
    app.add_middleware(Problems)
    app.add_middleware(SecurityHeaders, policy=lambda: policy(bucket_origin(services)))
    return app
