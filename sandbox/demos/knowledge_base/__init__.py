"""The knowledge base in the sandbox: its demonstration."""

from sandbox.demos.knowledge_base.demo import DEMO

__all__ = ["DEMO"]
