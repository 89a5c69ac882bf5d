"""What an image is made of: its tag is a digest of that and of nothing else, and what cannot work is refused."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from layer_builds.plan import (
    LISTING,
    MAX_IMAGE_BYTES,
    MAX_UNZIPPED_BYTES,
    Folder,
    ImageSpec,
    LayerBuildError,
    Target,
    check_function_budget,
    image_digest,
    image_tag,
    layer_digest,
    listing,
    load_layer,
    read_folder,
    read_image,
)
from tests.layers import FixtureLayers

if TYPE_CHECKING:
    from pathlib import Path

TARGET = Target("python3.13", "arm64")
BASE = f"public.ecr.aws/lambda/python@sha256:{'0' * 64}"
HANDLER = "lambdas.worker.handler.handler"
MODEL = Folder("model", "models/tiny")


class Repository:
    """A function, a layer and a model."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.layers = FixtureLayers(root / "layers")
        self.write("lambdas/__init__.py", "")
        self.write("lambdas/worker/handler.py", "def handler(event, context): return event\n")
        self.write("lambdas/other/handler.py", "x = 1\n")
        self.layers.add("tools")
        self.write("models/tiny/model.onnx", "weights")
        self.list_model()

    def write(self, path: str, text: str) -> Path:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def list_model(self, made_by: str = "make model") -> None:
        folder = self.root / MODEL.path
        (folder / LISTING).write_text(listing(folder, made_by))

    def image(self, **options: Any) -> ImageSpec:
        given: dict[str, Any] = {"layers": ["tools"], "folders": [MODEL], "handler": HANDLER, "target": TARGET}
        given |= options
        return read_image(
            "worker",
            given["handler"],
            given["layers"],
            given["folders"],
            given["target"],
            repository=self.root,
            layers_root=self.layers.root,
        )

    def digest(self, base: str = BASE, **options: Any) -> str:
        return image_digest(self.image(**options), base)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_the_digest_changes_with_everything_that_is_in_the_image(repository: Repository) -> None:
    repository.layers.add("more")
    repository.write("lambdas/worker/entry.py", "def handler(event, context): ...\n")
    digests = [
        repository.digest(),
        repository.digest(base=f"public.ecr.aws/lambda/python@sha256:{'1' * 64}"),
        repository.digest(handler="entry.handler"),
        repository.digest(layers=["tools", "more"]),
        repository.digest(layers=["more", "tools"]),
        repository.digest(folders=[]),
        repository.digest(folders=[Folder("other", MODEL.path)]),
        repository.digest(target=Target("python3.13", "x86_64")),
        repository.digest(target=Target("python3.12", "arm64")),
    ]
    repository.write("lambdas/worker/handler.py", "def handler(event, context): return 1\n")
    digests.append(repository.digest())
    repository.write("models/tiny/model.onnx", "Weights")
    repository.list_model()
    digests.append(repository.digest())
    repository.write("models/tiny/tokenizer.json", "{}")
    repository.list_model()
    digests.append(repository.digest())
    assert len(set(digests)) == len(digests)
    assert image_tag(digests[0]) == digests[0][:40]


def test_the_digest_does_not_change_with_anything_else(repository: Repository, tmp_path: Path) -> None:
    before = repository.digest()
    repository.write("lambdas/other/handler.py", "x = 2\n")
    repository.write("lambdas/worker/__pycache__/handler.cpython-313.pyc", "junk")
    handler = repository.root / "lambdas/worker/handler.py"
    handler.write_bytes(handler.read_bytes().replace(b"\n", b"\r\n"))
    repository.list_model("another command that makes the same")
    (repository.root / "models/tiny/model.onnx").unlink()  # a preview reads the list alone
    assert repository.digest() == before
    assert Repository(tmp_path / "elsewhere").digest() == before


def test_a_layers_lock_and_compiler_are_in_the_digest(repository: Repository) -> None:
    before = repository.digest()
    layer = load_layer("tools", root=repository.layers.root)
    lock = layer.lock_path(TARGET)
    lock.write_text(lock.read_text().replace("ab" * 32, "ac" * 32))
    with pytest.raises(LayerBuildError, match="the manifest of layer tools"):
        repository.digest()
    manifest = json.loads(layer.manifest_path.read_text())
    manifest[str(TARGET)]["digest"] = layer_digest(layer, TARGET)
    layer.manifest_path.write_text(json.dumps(manifest))
    assert repository.digest() != before


def test_a_list_says_what_is_in_the_folder_and_is_read_again(repository: Repository) -> None:
    repository.write("models/tiny/sub/config.json", "{}")
    repository.list_model("python -m somewhere --output models/tiny")
    found = read_folder(MODEL, repository.root)
    assert [(file.path, file.bytes) for file in found.files] == [("model.onnx", 7), ("sub/config.json", 2)]
    assert (found.place, found.bytes) == ("model", 9)
    assert found.made_by == "python -m somewhere --output models/tiny"
    assert listing(repository.root / MODEL.path, "x") == listing(repository.root / MODEL.path, "x")


def test_a_missing_list_says_what_it_would_be(repository: Repository) -> None:
    with pytest.raises(LayerBuildError, match=r"models/none/files\.json is missing: it lists .* /opt/model"):
        repository.image(folders=[Folder("model", "models/none")])


SHA256 = "ab" * 32


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"files": {}}',
        '{"made_by": "x", "files": []}',
        json.dumps({"made_by": "x", "files": {"a": 1}}),
        json.dumps({"made_by": "x", "files": {"a": {"bytes": 1}}}),
        json.dumps({"made_by": "x", "files": {"a": {"bytes": "1", "sha256": SHA256}}}),
        json.dumps({"made_by": "x", "files": {"a": {"bytes": True, "sha256": SHA256}}}),
        json.dumps({"made_by": "x", "files": {"a": {"bytes": -1, "sha256": SHA256}}}),
        json.dumps({"made_by": "x", "files": {"a": {"bytes": 1, "sha256": SHA256.upper()}}}),
        json.dumps({"made_by": "x", "files": {"../a": {"bytes": 1, "sha256": SHA256}}}),
        json.dumps({"made_by": "x", "files": {"/etc/passwd": {"bytes": 1, "sha256": SHA256}}}),
        json.dumps({"made_by": "x", "files": {LISTING: {"bytes": 1, "sha256": SHA256}}}),
    ],
)
def test_a_list_that_is_none_is_refused(repository: Repository, text: str) -> None:
    repository.write(f"{MODEL.path}/{LISTING}", text)
    with pytest.raises(LayerBuildError, match=r"models/tiny/files\.json is not a list of files"):
        repository.image()


@pytest.mark.parametrize(
    ("place", "path"),
    [("", "a"), ("/model", "a"), ("../up", "a"), ("python", "a"), ("python/x", "a"), ("a b", "a"), ("a;b", "a")]
    + [("model", path) for path in ("", "/etc", "a/../b", "a$(x)", "a b", "a\\b")],
)
def test_a_folder_is_a_word_of_a_command_line_and_stays_in_its_place(place: str, path: str) -> None:
    with pytest.raises(LayerBuildError, match=r"the folder's (place|path) is"):
        Folder(place, path)


@pytest.mark.parametrize("place", ["model", "model/inner"])
def test_two_folders_have_places_of_their_own(repository: Repository, place: str) -> None:
    with pytest.raises(LayerBuildError, match=f"two folders of worker go to /opt/model and /opt/{place}"):
        repository.image(folders=[MODEL, Folder(place, MODEL.path)])
    repository.image(folders=[MODEL, Folder("model-2", MODEL.path)])


def test_more_than_an_image_may_have_is_refused_before_anything_is_built(repository: Repository) -> None:
    entry = {"bytes": MAX_IMAGE_BYTES, "sha256": SHA256}
    repository.write(f"{MODEL.path}/{LISTING}", json.dumps({"made_by": "x", "files": {"model.onnx": entry}}))
    with pytest.raises(LayerBuildError, match=r"the image of function worker would be 10,737,4\d\d") as caught:
        repository.image()
    assert "(function code and folders)" in str(caught.value)
    assert "Take a smaller model" in str(caught.value)


def test_a_folder_without_what_the_function_opens_is_refused(repository: Repository) -> None:
    repository.image(folders=[Folder(MODEL.place, MODEL.path, "*.onnx")])
    repository.write(f"{MODEL.path}/2_Dense/model.safetensors", "of a part")
    repository.list_model()
    message = re.escape("models/tiny/files.json lists no model*.safetensors, which is what the function opens")
    with pytest.raises(LayerBuildError, match=message):
        repository.image(folders=[Folder(MODEL.place, MODEL.path, "model*.safetensors")])


def test_a_layer_that_is_for_images_may_be_larger_than_a_layer_and_is_for_nothing_else(repository: Repository) -> None:
    layer = repository.layers.add("torch", unzipped_bytes=4 * MAX_UNZIPPED_BYTES)
    toml = layer.directory / "layer.toml"
    assert not layer.for_images
    toml.write_text(f"for_images = true\n{toml.read_text()}")
    repository.image(layers=["torch"])
    layer = load_layer("torch", root=repository.layers.root)
    assert (layer.for_images, layer.max_bytes) == (True, MAX_IMAGE_BYTES)
    with pytest.raises(LayerBuildError, match="shipped as a zip and names torch, which is for container images only"):
        check_function_budget("worker", 0, [layer], TARGET)
    toml.write_text(toml.read_text().replace("true", "1"))
    with pytest.raises(LayerBuildError, match="`for_images` is 1; it is true or false"):
        load_layer("torch", root=repository.layers.root)


def test_an_image_takes_six_layers_each_once_and_no_package_twice(repository: Repository) -> None:
    names = [repository.layers.add(f"layer-{number}").name for number in range(6)]
    repository.image(layers=names)
    with pytest.raises(LayerBuildError, match="names layer layer-0 twice"):
        repository.image(layers=[*names, "layer-0"])
    repository.layers.add("again", package="layer-0-package")
    with pytest.raises(LayerBuildError, match=r"package layer-0-package .* is in layer layer-0 and in layer again"):
        repository.image(layers=[*names, "again"])
