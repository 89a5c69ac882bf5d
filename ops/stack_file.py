"""A stack's config file: read, and edited with its comments, order and quotes kept."""

# ruamel.yaml has no types.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import CommentMark, YAMLError
from ruamel.yaml.tokens import CommentToken
from ruamel.yaml.util import load_yaml_guess_indent

from components.names import PROJECT
from ops.errors import OpsError
from ops.values import as_object, as_section

LONGEST_LINE = 1_000_000
"""Characters: no line is folded."""

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ruamel.yaml.nodes import ScalarNode


def stack_file(stack: str, root: Path) -> Path:
    """`Pulumi.dev.yaml` for `dev`, and for `organization/strata/dev`."""
    return root / f"Pulumi.{stack.rsplit('/', 1)[-1]}.yaml"


def no_config(file: Path) -> str:
    """What to say of a stack whose config file is not there: which stacks have one beside it."""
    known = sorted(found.name.split(".")[1] for found in file.parent.glob("Pulumi.*.yaml"))
    return f"there is no {file.name}: there are {', '.join(known) or 'none'}"


class AsPulumi(SafeConstructor):
    """Values as the pulumi CLI reads them: `0512` is 330, and a date is a text."""

    def whole(self, node: ScalarNode) -> int:
        """A number that begins with 0 is octal, as in YAML 1.1."""
        text = node.value.replace("_", "")
        return int(text, 8) if re.fullmatch(r"[-+]?0[0-7]+", text) else self.construct_yaml_int(node)

    def moment(self, node: ScalarNode) -> str:
        """What Go writes for a time."""
        found = self.construct_yaml_timestamp(node)
        return f"{found:%Y-%m-%d %H:%M:%S} +0000 UTC"

    def encoded(self, node: ScalarNode) -> str:
        """`!!binary` is a text in base64."""
        return self.construct_yaml_binary(node).decode(errors="replace")


AsPulumi.add_constructor("tag:yaml.org,2002:int", AsPulumi.whole)
AsPulumi.add_constructor("tag:yaml.org,2002:timestamp", AsPulumi.moment)
AsPulumi.add_constructor("tag:yaml.org,2002:binary", AsPulumi.encoded)


def read_yaml(file: Path) -> dict[str, Any]:
    """A YAML file's keys, with values as the pulumi CLI reads them; empty where it has none.

    Raises:
        OpsError: it is not YAML, or has a value that the CLI refuses.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = AsPulumi
    try:
        content: object = yaml.load(file.read_bytes())
        json.dumps(content, allow_nan=False)
    except YAMLError as error:
        raise OpsError(f"{file} is not YAML: {error}") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise OpsError(f"{file} holds a value that JSON has not, which Pulumi refuses: {error}") from None
    return as_object(content) or {}


def read_config(file: Path) -> dict[str, Any]:
    """The `config:` part of a stack's config file, each key with its namespace; empty where there is none.

    The project's own sections are objects, however they are written.
    """
    config = as_object(read_yaml(file).get("config")) or {} if file.exists() else {}
    named = {key if ":" in str(key) else f"{PROJECT}:{key}": value for key, value in config.items()}
    return {key: opened(value) if key.startswith(f"{PROJECT}:") else value for key, value in named.items()}


def opened(value: object) -> object:
    """A section as an object; any other value as it is."""
    section = as_section(value)
    return value if section is None else section


@dataclass(frozen=True, slots=True)
class StackFile:
    """A stack file that is being edited."""

    tree: CommentedMap
    yaml: YAML
    before: str

    @property
    def config(self) -> CommentedMap:
        """Its `config:`."""
        return self.tree["config"]

    def add(self, other: StackFile) -> None:
        """Add another file's sections to the end.

        Raises:
            OpsError: one of them is there already.
        """
        if known := self.config.keys() & other.config.keys():
            raise OpsError(f"it has {', '.join(sorted(known))} already")
        self.config.update(other.config)

    def put(self, name: str, key: str, value: object) -> None:
        """Set a key of a section; a new one becomes the section's first line.

        Raises:
            KeyError: there is no such section.
        """
        section = self._section(name)
        first = next(iter(section), None)
        if key not in section and first is not None and not section.fa.flow_style():
            # What is written below the heading is about the key that was the first.
            _set_above(section, first, _take_below(self.config, self._written(name)))
            section.ca.comment = None
        if key in section:
            section[key] = value
        else:
            section.insert(0, key, value)

    def put_into(self, name: str, key: str, values: Mapping[str, str]) -> None:
        """Set keys of an object in a section; section and object are made at the end where they are missing.

        Raises:
            OpsError: one of them is something else.
        """
        place = self.config
        for step in (self._written(name), key):
            place = place.setdefault(step, CommentedMap())
            if not isinstance(place, CommentedMap):
                raise OpsError(f"`{step}` of its config is not an object with keys")
        place.update(values)

    def remove(self, name: str, key: str) -> None:
        """Take a key out of a section; what is written below it stays.

        Raises:
            KeyError: there is no such section.
        """
        section = self._section(name)
        if key not in section:
            return
        keys = list(section)
        following = keys[keys.index(key) + 1 :]
        below = _take_below(section, key)
        del section[key]
        if following:
            _set_above(section, following[0], below)

    def _written(self, name: str) -> str:
        """A section's key as the file has it: the project's own may leave its namespace out."""
        short = name.removeprefix(f"{PROJECT}:")
        return short if name not in self.config and short in self.config else name

    def _section(self, name: str) -> CommentedMap:
        written = self._written(name)
        section = self.config[written]
        if isinstance(section, str) and (found := as_section(section)) is not None:
            section = self.config[written] = CommentedMap(found)
        if not isinstance(section, CommentedMap):
            raise KeyError(name)
        return section

    def text(self) -> str:
        """The file's new text.

        Raises:
            OpsError: a comment would be lost.
        """
        stream = io.StringIO()
        self.yaml.dump(self.tree, stream)
        text = stream.getvalue()
        if comments(text) != comments(self.before):
            raise OpsError("its comments are in places where they would be lost")
        return text.replace("\n", "\r\n") if "\r\n" in self.before else text


def parse(text: str) -> StackFile:
    """Read a stack file for editing.

    Raises:
        OpsError: it is not YAML, or has no `config:` with keys.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = LONGEST_LINE
    try:
        tree, indent, dash = load_yaml_guess_indent(text.replace("\r\n", "\n"), yaml=yaml)
    except YAMLError as error:
        raise OpsError(f"it is not YAML: {error}") from None
    config = tree.get("config") if isinstance(tree, CommentedMap) else None
    if not isinstance(config, CommentedMap) or not config:
        raise OpsError("it has no `config:` with keys below it")
    column = config.lc.key(next(iter(config)))[1]
    yaml.indent(mapping=2 if config.fa.flow_style() else column, sequence=indent if dash else 2, offset=dash or 0)
    return StackFile(tree, yaml, text)


def comments(text: str) -> list[str]:
    """Every comment that has a line of its own."""
    return sorted(line.strip() for line in text.splitlines() if line.lstrip().startswith("#"))


def _take_below(parent: CommentedMap, key: str) -> list[CommentToken]:
    """Cut off what is written between a key's line and the next key: ruamel keeps it with the former."""
    found = parent.ca.items.get(key)
    if found is None:
        return []
    below: list[CommentToken] = found[3] or []
    found[3] = None
    if found[2] is not None:
        beside, _, rest = found[2].value.partition("\n")
        column = len(rest) - len(rest.lstrip(" "))
        below = [CommentToken(rest.lstrip(" "), CommentMark(column)), *below] if rest else below
        found[2] = CommentToken(f"{beside}\n", found[2].start_mark) if beside else None
    return below


def _set_above(section: CommentedMap, key: str, tokens: list[CommentToken]) -> None:
    """Put comments above a key's line."""
    if tokens:
        found = section.ca.items.setdefault(key, [None, None, None, None])
        found[1] = [*tokens, *(found[1] or [])]
