"""PDFs in, search and chat with sources out: an HTTP API, its web page, and the queue behind it."""
