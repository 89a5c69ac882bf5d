"""Where in the bucket what is. Pure."""

from __future__ import annotations

from lambdas.knowledge_base import contract


def upload_key(user_id: str, document_id: str) -> str:
    """Where a presigned upload lands."""
    return f"{contract.UPLOADS_PREFIX}{user_id}/{document_id}{contract.UPLOAD_SUFFIX}"


def original_key(user_id: str, document_id: str) -> str:
    """Where a document's file is kept."""
    return f"{contract.DOCUMENTS_PREFIX}{user_id}/{document_id}/original.pdf"


def pages_prefix(user_id: str, document_id: str) -> str:
    """Below which its pages are, by run."""
    return f"{contract.PAGES_PREFIX}{user_id}/{document_id}/"


def images_prefix(user_id: str, document_id: str) -> str:
    """Below which its images are, by run."""
    return f"{contract.IMAGES_PREFIX}{user_id}/{document_id}/"
