"""Passages found, and answers made of them."""
