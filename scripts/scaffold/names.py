"""What a new function or layer may be called: Python's rules, AWS's lengths, and the names that are taken."""

from __future__ import annotations

import keyword
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components import limits
from components.names import PROJECT
from components.stack_sections import COMMON_SECTIONS
from components.systems import SYSTEMS
from layer_builds.plan import REPOSITORY, RUNTIMES
from scripts.staging import StagingError

if TYPE_CHECKING:
    from collections.abc import Collection

COMPONENTS = REPOSITORY / "components"
PLACES_OF_FUNCTIONS = frozenset({"shared"})
"""`lambdas/shared`."""
RANDOM_PART = 6
"""Hex digits that `pulumi:autonaming` appends."""


@dataclass(frozen=True, slots=True)
class FunctionName:
    """One name in the forms that it is needed in."""

    snake: str
    """Folder, module, config section and stack output."""

    @property
    def kebab(self) -> str:
        """Resource names and routes."""
        return self.snake.replace("_", "-")

    @property
    def title(self) -> str:
        """Classes."""
        return "".join(word.capitalize() for word in self.snake.split("_"))


def longest_function_name() -> int:
    """Return how many characters AWS leaves for a function's own name, in the stack with the longest name."""
    ends = {"aws:lambda/function:Function": "function", "aws:s3/bucket:Bucket": "bucket"}
    around = len(f"{PROJECT}-") + limits.STACK_NAME_LENGTH + len("--") + len("-") + RANDOM_PART
    return min(limits.PHYSICAL_NAME_LENGTHS[kind] - around - len(end) for kind, end in ends.items())


def function_name(text: str, taken: Collection[str] = ()) -> FunctionName:
    """Check a function's name. Hyphens are taken for underscores.

    Args:
        text: As the user wrote it.
        taken: Folders that are in `lambdas/` already.

    Raises:
        StagingError: with the value, the rule and the remedy.
    """
    name, most = text.replace("-", "_"), longest_function_name()

    def refuse(rule: str) -> StagingError:
        return StagingError(f"NAME is {text!r}: {rule}")

    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        raise refuse(
            "a function's name is lower-case words of letters and digits, joined by _ or -, such as count_words, "
            "because it becomes a folder, a module, a config section and part of every resource's name"
        )
    if len(name) > most:
        raise refuse(f"it has {len(name)} characters, and AWS's limits on resource names leave {most}: shorten it")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in sys.stdlib_module_names:
        raise refuse("Python has a keyword or a module of this name: add a word that says what it works on")
    sources = {path: path.read_text(encoding="utf-8") for path in COMPONENTS.rglob("*.py")}
    words = [text for path, text in sources.items() if path.parent == COMPONENTS]
    if name in COMMON_SECTIONS or name in PLACES_OF_FUNCTIONS or any(f'"{name}"' in text for text in words):
        raise refuse("the project itself uses this name: add a word that says what it works on")
    if name in SYSTEMS or name in taken:
        raise refuse(f"there is a function of this name (lambdas/{name}), and nothing is overwritten: choose another")
    found = FunctionName(name)
    # Two names can have one class: page2 and page_2. Its name is also the type token of the system.
    classes = {known for text in sources.values() for known in re.findall(r"(?m)^class (\w+)", text)}
    if clashes := sorted({f"{found.title}Settings", f"{found.title}System"} & classes):
        raise refuse(
            f"the name of one of its classes would be {clashes[0]}, and there is one: add a word that says what it "
            "works on"
        )
    return found


def longest_layer_name() -> int:
    """Return how many characters are left for a layer's own name, in the stack with the longest name."""
    tag = max(len(f"-py{runtime.python.replace('.', '')}-x86_64") for runtime in RUNTIMES.values())
    return limits.LAYER_NAME_LENGTH - len(f"{PROJECT}-") - limits.STACK_NAME_LENGTH - len("-") - tag


def layer_name(text: str, taken: Collection[str]) -> str:
    """Check a layer's name.

    Args:
        text: As the user wrote it.
        taken: The layers that there are.

    Raises:
        StagingError: with the value, the rule and the remedy.
    """
    most = longest_layer_name()
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", text):
        raise StagingError(
            f"NAME is {text!r}: a layer's name is lower-case words of letters and digits, joined by -, "
            "such as pdf-tools"
        )
    if len(text) > most:
        raise StagingError(
            f"NAME is {text!r}: it has {len(text)} characters, and the published layer's name leaves {most}: shorten it"
        )
    if text in taken:
        raise StagingError(
            f"NAME is {text!r}: there is a layer of this name (layer_builds/layers/{text}), and nothing is "
            "overwritten: choose another"
        )
    return text
