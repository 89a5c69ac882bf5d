"""The orchestrator in the sandbox: its demonstration."""

from sandbox.demos.orchestrator.demo import DEMO

__all__ = ["DEMO"]
