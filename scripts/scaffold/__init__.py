"""New functions and new layers from templates: `python -m scripts.scaffold function|layer NAME`."""
