"""The embedding_processor in the sandbox: texts in several languages, and what becomes of them on good and bad days."""

from sandbox.demos.embedding_processor.demo import DEMO

__all__ = ["DEMO"]
