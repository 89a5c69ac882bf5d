"""Whether the API answers. What it depends on is not asked: anyone may call this, as often as they like."""

from typing import Literal

from fastapi import APIRouter

from lambdas.knowledge_base.app.schemas import Answer

router = APIRouter(tags=["health"])


class Health(Answer):
    """The answer."""

    status: Literal["ok"] = "ok"


@router.get("/health", summary="Whether the API answers")
def health() -> Health:
    """Answer."""
    return Health()
