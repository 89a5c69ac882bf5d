"""Origins of web pages that may call a function: each as a browser sends it, because AWS compares the text."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

DEFAULT_PORTS: Final = {"https": 443, "http": 80}
PLAIN: Final = re.compile(r"[A-Za-z0-9:/._\[\]-]+")


def origins(value: list[str]) -> list[str]:
    """Accept origins, each named: a `*` would let every page on the internet read the answers.

    Raises:
        ValueError: one is not an origin, or no browser sends it so; says what a browser sends.
    """
    for origin in value:
        sent = _sent(origin)
        if sent is None:
            raise ValueError(
                f"{origin!r} is not a valid origin: write scheme and host, such as https://app.example.com, a name in "
                "another script as browsers send it (xn--…); `*` is refused"
            )
        if sent != origin:
            raise ValueError(
                f"{origin!r} is not how a browser sends this origin (lower case, no default port), so it would never "
                f"match: write {sent}"
            )
    return value


def _sent(origin: str) -> str | None:
    """The origin as a browser sends it; None for what is none: https://url.spec.whatwg.org/#origin."""
    try:
        url = urlsplit(origin)
        host, port = url.hostname, url.port
    except ValueError:
        return None
    rest = url.path or url.query or url.fragment or "@" in url.netloc or url.netloc.endswith(":")
    if url.scheme not in DEFAULT_PORTS or not host or rest or not PLAIN.fullmatch(origin):
        return None
    shown = f"[{host}]" if ":" in host else host
    return f"{url.scheme}://{shown}" if port in (None, DEFAULT_PORTS[url.scheme]) else f"{url.scheme}://{shown}:{port}"
