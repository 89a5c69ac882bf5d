"""OpenAI's API: embeddings of a real small model, and a chat that goes by rules."""
