"""What secrets look like: keys and tokens by their form, values by what stands before them.

Owns the forms. How a text is read before they are looked for is `secret_scan.py`'s.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# Repetitions are bounded wherever something must follow: one long line must not take for ever.
FORMS: Final = {
    "a GitHub token": r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}",
    "a GitLab token": r"gl(?:pat|ptt|dt|rt|soat)-[A-Za-z0-9_-]{20,}",
    "an npm token": r"npm_[A-Za-z0-9]{30,}",
    "a PyPI token": r"pypi-AgE[A-Za-z0-9_-]{20,}",
    "a Hugging Face token": r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,}",
    "an AWS access key": r"(?:AKIA|ASIA)[A-Z2-7]{16}",
    "an Azure key": r"AccountKey[ \t]{0,3}=[ \t]{0,3}[A-Za-z0-9+/]{40,}",
    "a private key": r"-----BEGIN (?:[A-Z]{1,40} ){0,4}PRIVATE KEY",
    "an API key": (
        r"(?<![A-Za-z0-9])(?:sk|rk|pk)[-_](?:live|test|proj|ant|or|svcacct)?[-_]?(?=[A-Za-z_-]{0,200}[0-9])[A-Za-z0-9_-]{20,}"
    ),
    "a SendGrid key": r"SG\.[A-Za-z0-9_-]{16,100}\.[A-Za-z0-9_-]{16,}",
    "a webhook's secret": r"whsec_[A-Za-z0-9+/=_-]{24,}",
    "a Slack token": r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    "a Slack webhook": (
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Z0-9]{6,40}/[A-Za-z0-9]{6,40}/[A-Za-z0-9]{16,}"
    ),
    "a Google key": r"AIza[A-Za-z0-9_-]{30,}",
    "a JSON web token": r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{8,}",
    "a bearer token": r"(?i:bearer)[ \t]{1,10}[\"'`]?(?=[A-Za-z._~+/-]{0,200}[0-9])[A-Za-z0-9._~+/-]{20,}",
    "a password in an address": r"[a-z0-9+.-]{1,40}://[^/\s:@<>{}$*]{1,500}:[^/\s:@<>{}$*]{3,500}@",
}
_forms: Final = {kind: re.compile(form) for kind, form in FORMS.items()}
WITHOUT_SPACES: Final = frozenset(FORMS) - {"a private key", "an API key", "a bearer token", "a password in an address"}
"""Kinds that no run of words looks like: they are looked for across line ends, too."""
_KEY: Final = r"(?i:passwords?|passwd|secret|token|api[_ -]?key|access[_ -]?key|private[_ -]?key)"
_VALUE: Final = r"([^\s\"'`<>|]{12,500})"
_assigned: Final = re.compile(rf"{_KEY}[\"']?\s{{0,100}}[:=]\s{{0,100}}[\"']?{_VALUE}")
_said: Final = re.compile(rf"{_KEY}[\"'`*_ \t]{{0,10}}(?:[:=|]|=>|\b(?:is|was)\b)[\"'`*_|\s:-]{{0,20}}{_VALUE}")
"""As a table, emphasis or a sentence says it: what follows must look more like a generated value."""
MIN_ENTROPY: Final = 3.5
"""Bits for each character of an assigned value: words have less, generated keys more."""
MIN_CLASSES: Final = 3
"""Of capital letters, small letters, digits and signs, in a value that is said rather than assigned."""
MIN_DISTINCT: Final = 2
"""Characters among the last sixteen; what has fewer (`xxxx`) stands for a value."""
_classes: Final = [re.compile(form) for form in ("[a-z]", "[A-Z]", "[0-9]", r"[^\w\s./:,;()\[\]-]")]


def find_forms(text: str) -> Iterator[tuple[str, str, int]]:
    """Each key or token: its kind, the value, and where it is."""
    for kind, form in _forms.items():
        for found in form.finditer(text):
            if len(set(found.group()[-16:])) >= MIN_DISTINCT:
                yield kind, found.group(), found.start()


def find_assigned(text: str) -> Iterator[tuple[str, str, int]]:
    """Each value that is called a secret: its kind, the value, and where it is."""
    for found in _assigned.finditer(text):
        if _is_random(found[1]):
            yield "an assigned secret", found[1], found.start(1)
    for found in _said.finditer(text):
        if _is_random(found[1]) and sum(form.search(found[1]) is not None for form in _classes) >= MIN_CLASSES:
            yield "an assigned secret", found[1], found.start(1)


def _is_random(value: str) -> bool:
    if re.match(r"https?://|\$[\w{(]", value):  # where it is, and not what it is
        return False
    return _entropy(value) >= MIN_ENTROPY and re.search(r"\d", value) is not None


def _entropy(value: str) -> float:
    counts = Counter(value)
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
