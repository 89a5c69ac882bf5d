"""The image processor in the sandbox: its demonstration, and the files for it."""

from sandbox.demos.image_processor.demo import DEMO

__all__ = ["DEMO"]
