"""embedding_processor: files of a bucket → embeddings computed inside Lambda → rows of a Supabase table."""
