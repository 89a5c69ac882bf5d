"""The agents' process: what runs in it, and nothing that the function itself imports, `prompts` apart."""
