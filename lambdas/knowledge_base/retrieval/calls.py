"""What is asked of Weaviate, in its client's words. Each call is one that may be made twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from weaviate.classes.query import Filter, HybridFusion, MetadataQuery
from weaviate.classes.tenants import TenantActivityStatus

from lambdas.knowledge_base.retrieval import collection
from lambdas.knowledge_base.retrieval.attempts import Answer
from lambdas.knowledge_base.retrieval.passages import Hit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from weaviate import WeaviateClient

    from lambdas.knowledge_base.retrieval.passages import Passage

T = TypeVar("T")


class CollectionGoneError(Exception):
    """Somebody removed the collection; the next connection makes it again."""


class RefusedObjectsError(Exception):
    """Weaviate took the request and stored or removed less than was asked."""


class Calls:
    """Calls by a connected client."""

    def __init__(self, client: WeaviateClient) -> None:
        self._client = client
        self._collection: Any = client.collections.use(collection.NAME)

    def version(self) -> str:
        """The server's, asked now."""
        return str(cast("Any", self._client).get_meta()["version"])  # its types are partial

    def put(self, tenant: str, passages: Sequence[Passage], vectors: Sequence[Sequence[float]]) -> None:
        """Store objects; the tenant is made with its first.

        Raises:
            CollectionGoneError: there is nothing to store them in.
            RefusedObjectsError: says how many are not stored, and why the first is not.
        """
        if not self._client.collections.exists(collection.NAME):
            # By itself the server makes one of what it sees in the first object, without tenants and for good.
            raise CollectionGoneError("the collection is gone")
        objects = collection.objects(passages, vectors)
        outcome = self._collection.with_tenant(tenant).data.insert_many(objects)
        if outcome.errors:
            first = next(iter(outcome.errors.values()))
            raise RefusedObjectsError(f"{len(outcome.errors)} of {len(objects)} not stored: {first.message}")

    def remove(self, tenant: str, document_id: str, except_run: str | None) -> None:
        """Remove a document's objects, however many rounds that takes: the server removes at most 10,000 in each.

        Raises:
            RefusedObjectsError: some are left.
        """
        where: Any = Filter.by_property(collection.DOCUMENT).equal(document_id)
        if except_run is not None:
            where = where & Filter.by_property(collection.RUN).not_equal(except_run)
        data = self._collection.with_tenant(tenant).data

        def removed_all() -> bool:
            while (outcome := data.delete_many(where=where)).matches:
                if outcome.failed or not outcome.successful:
                    raise RefusedObjectsError(f"{outcome.failed} of {outcome.matches} not removed")
            return True

        self._of_tenant(tenant, removed_all, True)

    def remove_tenant(self, tenant: str) -> None:
        """Remove a tenant with all that it has; the server takes one that is not there."""
        self._collection.tenants.remove([tenant])

    def hybrid(
        self,
        tenant: str,
        query: str,
        vector: Sequence[float],
        *,
        limit: int,
        document_ids: Sequence[str] | None,
        excluding: Sequence[str],
        vector_share: float,
    ) -> list[Hit]:
        """Search by words and vector; a tenant that is not there has nothing."""

        def found() -> list[Hit]:
            answer = self._collection.with_tenant(tenant).query.hybrid(
                query,
                vector=vector,
                alpha=vector_share,
                fusion_type=HybridFusion.RELATIVE_SCORE,
                query_properties=[collection.TEXT],
                filters=_where(document_ids, excluding),
                limit=limit,
                return_properties=list(collection.PROPERTIES),
                return_metadata=MetadataQuery(score=True),
            )
            return [Hit(collection.passage(each.properties), _score(each)) for each in answer.objects]

        return self._of_tenant(tenant, found, [])

    def _of_tenant(self, tenant: str, work: Callable[[], T], without: T) -> T:
        """Do something within a tenant.

        A server says in a sentence that there is no such tenant, or that it is asleep, and sentences change: so it is
        asked. One that is asleep wakes by itself, though not in every version to have objects removed
        (weaviate/weaviate#12953): then it is woken.
        """
        try:
            return work()
        except Answer as refusal:
            if refusal.may_pass or refusal.about_the_key:
                raise
            found = self._collection.tenants.get_by_names([tenant]).get(tenant)
            if found is None:
                return without
            if found.activity_status is TenantActivityStatus.ACTIVE:
                raise
        self._collection.tenants.activate(tenant)
        return work()


def _where(document_ids: Sequence[str] | None, excluding: Sequence[str]) -> Any:
    document = Filter.by_property(collection.DOCUMENT)
    if document_ids is not None:
        return document.contains_any(list(document_ids))
    if excluding:
        return Filter.all_of([document.not_equal(each) for each in excluding])
    return None


def _score(found: Any) -> float:
    return min(1.0, max(0.0, float(found.metadata.score or 0.0)))
