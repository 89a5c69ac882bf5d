"""Documents in a bucket: their text, tables, tokens and chunks as JSON beside them, and the chunks to be embedded."""
