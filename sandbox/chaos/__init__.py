"""The embedding system under a seeded plan of faults: what is killed, refused and dropped, and that nothing is lost."""
