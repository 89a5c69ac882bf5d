"""Weaviate's API, REST and gRPC, over an exact index in memory."""
