"""The embedding system in the sandbox: its demonstration, its search, and its part of the chaos runs."""

from sandbox.demos.embedding.demo import DEMO

__all__ = ["DEMO"]
