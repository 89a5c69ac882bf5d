"""OpenAI's API through the official client, within the time that a function has left."""
