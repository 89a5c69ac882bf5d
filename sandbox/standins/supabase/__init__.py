"""Supabase's REST API over a real PostgreSQL with pgvector."""
