"""Texts that exported models are compared by: several languages, code, numbers, and one of a few hundred tokens."""

from __future__ import annotations

from typing import Final

SAMPLE: Final = (
    "The cat sits outside.",
    "A queue keeps what the function could not do yet.",
    "Der Zug nach Zürich fährt um sieben Uhr ab, und er hält in jedem Dorf.",
    "Le marché est ouvert le samedi matin, sauf quand il neige.",
    "La biblioteca cierra a las ocho, pero los libros pueden devolverse por la noche.",
    "Поезд опаздывает на двадцать минут из-за снегопада в горах.",  # noqa: RUF001
    "東京の天気は晴れです。明日は雨が降るでしょう。",
    "def add(a: int, b: int) -> int:\n    return a + b",
    "SELECT key, count(*) FROM content_embeddings GROUP BY key;",
    "Invoice 2026-0417: 12 pieces at 3.50 EUR, due in 30 days, total 42.00 EUR.",
    "Honey bees keep the cluster at thirty-five degrees while the brood is there, in the coldest winter too.",
    " ".join(f"Sentence {number} of a longer text speaks of layers, locks and digests." for number in range(14)),
)
