"""Documents are read, and made searchable: the work behind the queue. Nothing is imported here: the API sends to it."""
