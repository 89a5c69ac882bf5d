"""The extract_text system in the sandbox: documents that are made here, and what becomes of them."""

from sandbox.demos.extract_text.demo import DEMO

__all__ = ["DEMO"]
