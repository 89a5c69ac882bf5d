"""GitHub's REST API and webhooks over real git repositories."""
