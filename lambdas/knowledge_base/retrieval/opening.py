"""The opening of a connection: where Weaviate is, its client, and the collection there when it is open."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from weaviate import WeaviateClient
from weaviate.auth import Auth
from weaviate.classes.init import AdditionalConfig, Timeout
from weaviate.config import GrpcConfig
from weaviate.connect.base import ProtocolParams
from weaviate.exceptions import UnexpectedStatusCodeError

from lambdas.knowledge_base.errors import VectorsError
from lambdas.knowledge_base.retrieval import collection
from lambdas.knowledge_base.retrieval.attempts import BoundedParams
from lambdas.shared.work_errors import ConfigurationError

HTTP_SECONDS = 5
"""Of one answer over HTTP."""
CLOUD_PREFIX = "grpc-"
"""Weaviate Cloud has gRPC at port 443 of a host of its own: https://weaviate.io/developers/wcs/connect"""
SELF_HOSTED_PORT = 50_051
NOT_FOUND, UNPROCESSABLE = 404, 422
_CLOUD_HOSTS = (".weaviate.cloud", ".weaviate.network", ".semi.technology")


class NotWeaviateError(Exception):
    """What answered over HTTP said nothing that Weaviate says: a proxy's page, perhaps."""


def params(url: str, grpc_url: str | None) -> BoundedParams:
    """Where REST and gRPC are.

    Raises:
        VectorsError: the two are the same place.
    """
    rest, grpc = urlsplit(url), urlsplit(grpc_url or _grpc_url(url))
    try:
        return BoundedParams(http=_place(rest), grpc=_place(grpc))
    except ValueError:
        raise VectorsError(
            f"WEAVIATE_URL is {url!r} and WEAVIATE_GRPC_URL is {grpc_url!r}: two addresses of a host are needed that "
            "differ in their ports",
            may_pass=False,
        ) from None


def _place(address: SplitResult) -> ProtocolParams:
    secure = address.scheme == "https"
    return ProtocolParams(host=str(address.hostname), port=address.port or (443 if secure else 80), secure=secure)


def _grpc_url(url: str) -> str:
    """Where gRPC is when nobody says: as in Weaviate Cloud, or as a server is by default."""
    rest = urlsplit(url)
    host = str(rest.hostname)
    if host.endswith(".weaviate.network"):
        name, _, domain = host.partition(".")
        return f"https://{name}.grpc.{domain}:443"
    if host.endswith(_CLOUD_HOSTS):
        return f"https://{CLOUD_PREFIX}{host}:443"
    return f"{rest.scheme}://{host}:{SELF_HOSTED_PORT}"


def open_client(where: BoundedParams, key: str) -> WeaviateClient:
    """A connected client, with the collection there.

    Raises:
        NotWeaviateError: something else answers.
        ConfigurationError: the collection is not this system's.
        UnexpectedStatusCodeError: an answer that was not hoped for: 401 for a wrong key.
    """
    client = WeaviateClient(
        connection_params=where,
        auth_client_secret=Auth.api_key(key),
        additional_config=AdditionalConfig(
            timeout=Timeout(init=HTTP_SECONDS, query=HTTP_SECONDS, insert=HTTP_SECONDS),
            # Else a new channel shares the old one's connection, and the wait after its failures.
            grpc_config=GrpcConfig(channel_options=[("grpc.use_local_subchannel_pool", 1)]),
        ),
        skip_init_checks=True,  # they ask PyPI for a newer client, too
    )
    try:
        client.connect()
        _prepare(client)
    except (ValueError, KeyError, TypeError) as error:  # of the client, which trusts what it reads
        client.close()
        raise NotWeaviateError(f"no answer of Weaviate's: {type(error).__name__}") from None
    except BaseException:
        client.close()
        raise
    return client


def _prepare(client: WeaviateClient) -> None:
    """Have the collection there, also when another environment is making it in this moment.

    Raises:
        ConfigurationError: there is one of that name which is not ours.
    """
    tenants = _multi_tenant(client)
    if tenants is None:
        try:
            collection.create(client)
        except UnexpectedStatusCodeError as error:
            if error.status_code != UNPROCESSABLE:
                raise
            tenants = _multi_tenant(client)
            if tenants is None:
                raise
    if tenants is False:
        raise ConfigurationError(
            f"the collection {collection.NAME} in Weaviate is not multi-tenant: it is not this system's; rename or "
            "remove it, or give the system a Weaviate of its own"
        )


def _multi_tenant(client: WeaviateClient) -> bool | None:
    """Whether the collection has tenants; None when there is none."""
    try:
        return bool(client.collections.use(collection.NAME).config.get().multi_tenancy_config.enabled)
    except UnexpectedStatusCodeError as error:
        if error.status_code == NOT_FOUND:
            return None
        raise
