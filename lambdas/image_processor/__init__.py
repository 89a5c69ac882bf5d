"""Images of a PDF as a viewer shows them, and renderings of its pages. A system: docs/image_processor.md."""
