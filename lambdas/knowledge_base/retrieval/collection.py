"""The one collection in Weaviate: its properties, how they are indexed, and what is made of an object.

Multi-tenant, a tenant for each user: a request names one tenant, and nothing of another's can be in its answer. What
the server would choose by itself is chosen here, so an upgrade of the server changes no search.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from weaviate.classes.config import (
    Configure,
    DataType,
    Property,
    StopwordsPreset,
    Tokenization,
    VectorDistances,
    VectorFilterStrategy,
)
from weaviate.classes.data import DataObject

from lambdas.knowledge_base.retrieval.passages import Passage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from weaviate import WeaviateClient

NAME: Final = "Passage"
TEXT: Final = "text"
"""What words are looked for in."""
DOCUMENT: Final = "document_id"
RUN: Final = "run"
_POSITIONS: Final = ("index", "page", "start", "end")
PROPERTIES: Final = (DOCUMENT, RUN, *_POSITIONS, TEXT)
_OBJECTS: Final = uuid.UUID("6f7b0c62-3a0f-4b0e-9b59-0d4f5d5f7b2e")
"""The namespace of the objects' ids."""


def create(client: WeaviateClient) -> None:
    """Create the collection.

    Raises:
        UnexpectedStatusCodeError: of status 422 where there is one of that name, made a moment ago perhaps.
    """
    client.collections.create(
        NAME,
        properties=[_identifier(DOCUMENT), _identifier(RUN), *map(_position, _POSITIONS), _words(TEXT)],
        vector_config=Configure.Vectors.self_provided(
            vector_index_config=Configure.VectorIndex.hnsw(
                distance_metric=VectorDistances.COSINE,
                ef_construction=128,
                max_connections=32,
                filter_strategy=VectorFilterStrategy.ACORN,
                quantizer=Configure.VectorIndex.Quantizer.none(),
            )
        ),
        inverted_index_config=Configure.inverted_index(bm25_b=0.75, bm25_k1=1.2, stopwords_preset=StopwordsPreset.EN),
        multi_tenancy_config=Configure.multi_tenancy(
            enabled=True, auto_tenant_creation=True, auto_tenant_activation=True
        ),
    )


def _identifier(name: str) -> Property:
    """Compared as a whole."""
    return Property(
        name=name,
        data_type=DataType.TEXT,
        tokenization=Tokenization.FIELD,
        index_filterable=True,
        index_searchable=False,
    )


def _position(name: str) -> Property:
    """Kept, and never looked for."""
    return Property(name=name, data_type=DataType.INT, index_filterable=False, index_range_filters=False)


def _words(name: str) -> Property:
    return Property(
        name=name,
        data_type=DataType.TEXT,
        tokenization=Tokenization.WORD,
        index_filterable=False,
        index_searchable=True,
    )


def objects(passages: Iterable[Passage], vectors: Iterable[Sequence[float]]) -> list[DataObject[Any, None]]:
    """What is stored: the same passage is the same object, whoever stores it and however often."""
    return [
        DataObject(
            properties={name: getattr(passage, name) for name in PROPERTIES},
            uuid=uuid.uuid5(_OBJECTS, f"{passage.document_id}/{passage.run}/{passage.index}"),
            vector=[float(number) for number in vector],
        )
        for passage, vector in zip(passages, vectors, strict=True)
    ]


def passage(properties: Mapping[str, Any]) -> Passage:
    """What was stored."""
    return Passage(
        document_id=str(properties[DOCUMENT]),
        run=str(properties[RUN]),
        text=str(properties[TEXT]),
        **{name: int(properties[name]) for name in _POSITIONS},
    )
