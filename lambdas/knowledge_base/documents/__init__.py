"""Users' documents: their rows, their files, and what may be done with them. `ingestion` makes them searchable."""

from lambdas.knowledge_base.documents.document import Document, Status
from lambdas.knowledge_base.documents.files import Files
from lambdas.knowledge_base.documents.page import Image, Page
from lambdas.knowledge_base.documents.problem import Code, Problem
from lambdas.knowledge_base.documents.service import Documents
from lambdas.knowledge_base.documents.table import DocumentsTable

__all__ = ["Code", "Document", "Documents", "DocumentsTable", "Files", "Image", "Page", "Problem", "Status"]
