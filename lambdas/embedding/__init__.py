"""Texts from a queue, through OpenAI's embeddings, into a Pinecone index."""
