"""Pinecone's API over an exact index."""
