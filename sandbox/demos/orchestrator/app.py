"""The GitHub App that the function acts as: made, registered, installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

if TYPE_CHECKING:
    from sandbox.standins.github.state import GitHubState

NUMBER: Final = 1_001


def make_app(github: GitHubState, repository: str) -> str:
    """Register the app on a repository; returns its private key in PEM form, as GitHub hands it out once."""
    private, public = new_key()
    github.add_app("coderipple", NUMBER, public, [repository], {"contents": "write", "pull_requests": "write"})
    return private


def new_key() -> tuple[str, str]:
    """A private key and its public one, in PEM form."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode(), public
