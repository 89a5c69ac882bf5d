"""A container registry, read: is a tag there, and what is behind it.

Owns the few calls of the registry's HTTP API (https://distribution.github.io/distribution/spec/api/) that are needed
before and after a push, and the anonymous token of public registries. Pushing is Docker's. No credential gets into an
error, or to the store that a registry redirects to.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_SECONDS = 30
LARGEST_DOCUMENT = 4 << 20
"""Bytes: what a registry may take as a manifest."""
_IMAGES = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
_INDEXES = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
_REPOSITORY = re.compile(r"(?P<host>[a-z0-9.-]+(:\d+)?|localhost(:\d+)?)/(?P<name>[a-z0-9]+([._/-]+[a-z0-9]+)*)")
_LOOPBACK = re.compile(r"(127\.\d+\.\d+\.\d+|localhost)(:\d+)?")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_NOT_FOUND = 404
_DENIED = (401, 403)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user of a registry."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """What is behind a tag."""

    digest: str
    """`sha256:…`, of its manifest."""
    is_index: bool
    """Whether it is a list of images for several CPUs; the rest is empty then."""
    platform: str = ""
    """`linux/amd64`."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


class Registry:
    """One repository in a registry."""

    def __init__(self, repository: str, credentials: Credentials | None = None) -> None:
        """Read the address.

        Args:
            repository: `<host>/<name>`, without a tag. One on this machine is spoken to without TLS, as Docker does.
            credentials: None asks as nobody.

        Raises:
            LayerBuildError: it is not a repository's address.
        """
        found = _REPOSITORY.fullmatch(repository)
        if found is None:
            raise LayerBuildError(f"{repository!r} is not a repository: it is `<registry>/<name>`, without a tag")
        self.host, self.name = found["host"], found["name"]
        scheme = "http" if _LOOPBACK.fullmatch(self.host) else "https"
        self._url = f"{scheme}://{self.host}/v2/{self.name}"
        self._authorization = None if credentials is None else _basic(credentials)

    def image(self, tag: str) -> StoredImage | None:
        """What is behind a tag or a digest; None when there is nothing.

        Raises:
            LayerBuildError: the registry cannot be reached, refuses, or answers something else.
        """
        answer = self._get(f"manifests/{tag}", accept=(*_IMAGES, *_INDEXES))
        if answer is None:
            return None
        body, headers = answer
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        told = headers.get("Docker-Content-Digest", digest)
        if told != digest:
            raise LayerBuildError(f"{self.host} says {told} of a manifest whose digest is {digest}: it is damaged")
        manifest = self._document(body)
        kind = str(headers.get("Content-Type", "")).partition(";")[0]
        if kind in _INDEXES or "manifests" in manifest:
            return StoredImage(digest=digest, is_index=True)
        return self._described(digest, manifest)

    def _described(self, digest: str, manifest: dict[str, Any]) -> StoredImage:
        described = self._get(f"blobs/{manifest.get('config', {}).get('digest')}", accept=("*/*",))
        if described is None:
            raise LayerBuildError(f"{self.host}/{self.name} has a manifest {digest} without its configuration")
        config = self._document(described[0])
        settings: dict[str, Any] = config.get("config") or {}
        labels: dict[str, str] = settings.get("Labels") or {}
        platform = f"{config.get('os')}/{config.get('architecture')}"
        return StoredImage(digest=digest, is_index=False, platform=platform, labels=labels)

    def _document(self, body: bytes) -> dict[str, Any]:
        try:
            document: object = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise LayerBuildError(f"{self.host} answered something that is not a manifest: is it a container registry?")
        return cast("dict[str, Any]", document)

    def _get(self, path: str, accept: tuple[str, ...]) -> tuple[bytes, Mapping[str, str]] | None:
        url = f"{self._url}/{path}"
        try:
            return self._fetched(url, accept)
        except urllib.error.HTTPError as error:
            challenge = error.headers.get("WWW-Authenticate", "")
            if error.code == _NOT_FOUND:
                return None
            if error.code in _DENIED and self._authorization is None and challenge.lower().startswith("bearer "):
                self._authorization = f"Bearer {self._anonymous_token(challenge)}"
                return self._get(path, accept)
            raise self._failed(error) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None

    def _failed(self, error: urllib.error.HTTPError) -> LayerBuildError:
        if error.code in _DENIED:
            return LayerBuildError(
                f"the registry {self.host} refused to show {self.name} ({error.code}): the credentials may not read "
                "it. ecr:BatchGetImage and ecr:GetDownloadUrlForLayer on the repository are needed"
            )
        return LayerBuildError(f"the registry {self.host} answered {error.code} {error.reason} for {self.name}")

    def _unreachable(self, error: Exception) -> LayerBuildError:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        return LayerBuildError(f"the registry {self.host} could not be reached ({reason}): nothing was pushed")

    def _fetched(self, url: str, accept: tuple[str, ...]) -> tuple[bytes, Mapping[str, str]]:
        request = urllib.request.Request(url, headers={"Accept": ", ".join(accept)})  # noqa: S310 - https, or loopback
        if self._authorization is not None:
            # Not sent on to where the registry redirects: S3 refuses a second kind of authorisation.
            request.add_unredirected_header("Authorization", self._authorization)
        context = ssl.create_default_context() if url.startswith("https") else None
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=context) as answer:  # noqa: S310
            body = answer.read(LARGEST_DOCUMENT + 1)
        if len(body) > LARGEST_DOCUMENT:
            raise LayerBuildError(f"{self.host} answered more than {LARGEST_DOCUMENT:,} bytes for a manifest")
        return body, answer.headers

    def _anonymous_token(self, challenge: str) -> str:
        """https://distribution.github.io/distribution/spec/auth/token/."""
        asked = dict(_CHALLENGE.findall(challenge))
        realm = asked.pop("realm", "")
        if not realm.startswith(self._url.partition("/v2/")[0].partition(":")[0]):
            raise LayerBuildError(f"{self.host} wants a token from {realm!r}, which is not an address of its kind")
        body, _ = self._fetched(f"{realm}?{urllib.parse.urlencode(asked)}", ("application/json",))
        document = self._document(body)
        return str(document.get("token") or document.get("access_token") or "")


def _basic(credentials: Credentials) -> str:
    pair = f"{credentials.user}:{credentials.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"
