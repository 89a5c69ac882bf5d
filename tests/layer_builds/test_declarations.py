"""Targets, layer.toml, locks, module lists and manifests: read strictly, with errors that say what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layer_builds.plan import (
    ALL_TARGETS,
    DEFAULT_RUNTIME,
    REFUSED_RUNTIMES,
    RUNTIMES,
    LayerBuildError,
    Lock,
    Pin,
    Target,
    check_function_budget,
    is_plain_path,
    joined_layers,
    layer_digest,
    layers_before,
    load_layer,
    load_lock,
    load_manifest,
    load_modules,
    lock_inputs,
    locked_targets,
)
from scripts import bootstrap
from tests.layer_builds.wheelhouse import HERE, alpha, beta, make_layer

if TYPE_CHECKING:
    from layer_builds.plan import LayerSpec


@pytest.fixture
def layer(tmp_path: Path) -> LayerSpec:
    return make_layer(tmp_path / "layers", [alpha(), beta()])[0]


def refusal(layer: LayerSpec, toml: str) -> str:
    (layer.directory / "layer.toml").write_text(toml)
    with pytest.raises(LayerBuildError) as caught:
        load_layer(layer.name, root=layer.root)
    assert str(layer.directory / "layer.toml") in str(caught.value)
    return str(caught.value)


def test_a_target_that_is_refused_says_why() -> None:
    with pytest.raises(
        LayerBuildError, match=r"python3\.14 \(it is a preview at AWS, without a service level, and onnx"
    ):
        Target("python3.15", "arm64")
    with pytest.raises(LayerBuildError, match=r"'python3\.9' is not one of python3\.11, .* python3\.14$"):
        Target("python3.9", "arm64")
    with pytest.raises(LayerBuildError, match=r"'aarch64' is not one of arm64, x86_64, as Lambda names them"):
        Target("python3.13", "aarch64")


def test_the_tables_of_runtimes_fit_each_other_and_the_project() -> None:
    """The project runs on what it builds for; the default is one of those; what is refused is none."""
    minors = [runtime.python for runtime in RUNTIMES.values()]
    oldest, newest = bootstrap.supported()
    assert minors == [f"3.{minor}" for minor in range(oldest, newest + 1)]
    assert all(name == f"python{runtime.python}" == runtime.name for name, runtime in RUNTIMES.items())
    assert all(runtime.compiler.startswith(f"{runtime.python}.") for runtime in RUNTIMES.values())
    assert DEFAULT_RUNTIME in RUNTIMES
    assert not set(REFUSED_RUNTIMES) & set(RUNTIMES)


def test_targets_say_what_wheels_they_take() -> None:
    target = Target("python3.13", "arm64")
    assert (str(target), target.tag, target.uv_platform) == (
        "python3.13-arm64",
        "py313-arm64",
        "aarch64-manylinux_2_34",
    )
    assert Target("python3.11", "x86_64").uv_platform == "x86_64-manylinux2014", "Amazon Linux 2"
    assert len(ALL_TARGETS) == 2 * len(RUNTIMES)


ASSET = '[[assets]]\npath = "a"\nsha256 = "{0}"\nsize = 1\n'.replace("{0}", "0" * 64)
WRONG = {
    "`colour` is not a key of layer.toml": 'colour = "red"\n',
    "`bytecode` is 'some'; it is one of imported, all, none": 'bytecode = "some"\n',
    "`bytecode` is 3; it is a string": "bytecode = 3\n",
    "`smoke` names 'other.py', and there is no such file": 'smoke = "other.py"\n',
    "`without` is 'boto3'; it is a list of names": 'without = "boto3"\n',
    "`without` is ['a', 'A']; it is a list of different names": 'without = ["a", "A"]\n',
    "`image` has to name the build image by digest": 'source = ["alpha"]\nimage = "public.ecr.aws/sam/build:latest"\n',
    "`runtimes` is ['python3.9']; it is a list of at least one of python3.11": 'runtimes = ["python3.9"]\n',
    "`runtimes` is []": "runtimes = []\n",
    "`architectures` is 'arm64'; it is a list of at least one of arm64, x86_64": 'architectures = "arm64"\n',
    "`strip` is 'no'; it is true or false": 'strip = "no"\n',
    "`drop` is 'a'; it is a list of globs": 'drop = "a"\n',
    "`drop` has '**/*.so'; a glob starts with a package's name": 'drop = ["**/*.so"]\n',
    "`keep` is 'a'; it is a list of globs": 'keep = "a"\n',
    "`drop_for` is {'arm': ['a']}; it is a table": '[drop_for]\narm = ["a"]\n',
    "`arm64` has '/a'; a glob starts with a package's name": '[drop_for]\narm64 = ["/a"]\n',
    "`drop` has '../x'": 'drop = ["../x"]\n',
    "`environment.A-B` is 'x'": '[environment]\nA-B = "x"\n',
    "`environment.A` is 1": "[environment]\nA = 1\n",
    "`assets[0].colour` is not a key of an asset": ASSET + 'url = "https://example.com/a"\ncolour = 1\n',
    "comes from a `url`, or from a `wheel`": ASSET,
    "`assets[0].url` is an https address without credentials": ASSET + 'url = "http://example.com/a"\n',
    "`assets[0].url` is an https address": ASSET + 'url = "https://user:password@example.com/a"\n',
    "`assets[0].path` is '../a'": ASSET.replace('"a"', '"../a"') + 'url = "https://example.com/a"\n',
    "outside python/": ASSET.replace('"a"', '"python/a.py"') + 'url = "https://example.com/a"\n',
    "`assets[0].size` is 0": ASSET.replace("= 1", "= 0") + 'url = "https://example.com/a"\n',
    "`assets[0].sha256` is 64 hex digits": ASSET.replace("0" * 64, "x") + 'url = "https://example.com/a"\n',
    "`assets[0].wheel` is 'a>1'; it is `name==version`": ASSET
    + f'wheel = "a>1"\nwheel_sha256 = "{"0" * 64}"\nmember = "a"\n',
    "`assets[0].member` is the file's path": ASSET + f'wheel = "a==1"\nwheel_sha256 = "{"0" * 64}"\nmember = "/a"\n',
    "`assets` puts two files in one place": 2 * (ASSET + 'url = "https://example.com/a"\n'),
    "not TOML": "description = \n",
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_key_is_named_with_its_file_and_rule(layer: LayerSpec, message: str) -> None:
    assert message in refusal(layer, WRONG[message])


def test_a_layer_is_made_for_the_runtimes_and_cpus_that_it_names(tmp_path: Path) -> None:
    toml = 'runtimes = ["python3.13", "python3.12"]\narchitectures = ["x86_64"]\n'
    layer, _ = make_layer(tmp_path / "layers", [alpha()], toml=toml, target=Target("python3.13", "x86_64"))
    assert list(map(str, layer.targets)) == ["python3.12-x86_64", "python3.13-x86_64"]
    assert locked_targets(layer) == [Target("python3.13", "x86_64")]
    assert load_lock(layer, Target("python3.13", "x86_64")).pins
    with pytest.raises(LayerBuildError, match=r"small is not made for python3\.11-arm64: .* runtimes python3\.12, "):
        layer_digest(layer, Target("python3.11", "arm64"))
    with pytest.raises(LayerBuildError, match=r"small is not made for python3\.13-arm64: .* architectures x86_64\."):
        check_function_budget("f", 1, [layer], Target("python3.13", "arm64"))


def test_a_layer_cannot_be_made_for_more_than_those_it_comes_after(tmp_path: Path) -> None:
    root = tmp_path / "layers"
    make_layer(
        root, [alpha()], name="first", toml='architectures = ["x86_64"]\n', target=Target("python3.13", "x86_64")
    )
    folder = make_layer(root, [beta()], name="second")[0].directory
    (folder / "layer.toml").write_text('after = ["first"]\n')
    with pytest.raises(LayerBuildError, match=r"comes after first, which is not made for python3\.11-arm64, "):
        load_layer("second", root=root)
    (folder / "layer.toml").write_text('after = ["first"]\narchitectures = ["x86_64"]\nruntimes = ["python3.13"]\n')
    second = load_layer("second", root=root)
    assert second.targets == (Target("python3.13", "x86_64"),)
    # For another target they have nothing to do with each other.
    first = load_layer("first", root=root)
    assert [one.name for one in joined_layers(first, Target("python3.12", "x86_64"))] == ["first"]
    assert [one.name for one in joined_layers(first, Target("python3.13", "x86_64"))] == ["first", "second"]


def test_layers_that_come_after_each_other_in_a_circle_are_refused(layer: LayerSpec, tmp_path: Path) -> None:
    make_layer(tmp_path / "layers", [beta()], name="second", toml='after = ["small"]\n')
    assert "`after` goes in a circle: small → second → small" in refusal(layer, 'after = ["second"]\n')


def test_a_layer_that_is_not_there_is_told_with_those_that_are(layer: LayerSpec) -> None:
    with pytest.raises(LayerBuildError, match=r"there is no layer 'smal' in .* \(there is: small\)"):
        load_layer("smal", root=layer.root)
    with pytest.raises(LayerBuildError, match="lower-case words"):
        load_layer("../small", root=layer.root)


def test_after_joins_layers_in_both_directions_and_orders_them(tmp_path: Path) -> None:
    root = tmp_path / "layers"
    for name, after in {"c": '"b"', "b": '"a"', "a": "", "alone": ""}.items():
        (root / name).mkdir(parents=True)
        (root / name / "smoke.py").write_text("")
        (root / name / "layer.toml").write_text(f"after = [{after}]\n")
    assert [one.name for one in layers_before(load_layer("c", root=root))] == ["a", "b"]
    assert [one.name for one in joined_layers(load_layer("a", root=root))] == ["a", "b", "c"]
    assert [one.name for one in joined_layers(load_layer("alone", root=root))] == ["alone"]


@given(st.text(max_size=30))
def test_a_plain_path_stays_below_its_folder(path: str) -> None:
    if is_plain_path(path):
        whole = Path("/somewhere") / path
        assert whole.is_relative_to("/somewhere")
        assert ".." not in whole.parts
        assert len(whole.parts) > 2


def test_a_missing_lock_comes_with_the_command_that_makes_it(layer: LayerSpec) -> None:
    layer.lock_path(HERE).unlink()
    with pytest.raises(
        LayerBuildError, match=rf"layer small is not locked for {HERE} .*run `python -m layer_builds lock small`"
    ):
        load_lock(layer, HERE)


@pytest.mark.parametrize("change", ["requirements", "after", "a joined layer"])
def test_a_lock_of_other_requirements_is_refused(layer: LayerSpec, tmp_path: Path, change: str) -> None:
    if change == "requirements":
        layer.requirements_path.write_text("alpha>=2\nbeta\n")
    elif change == "after":
        make_layer(tmp_path / "layers", [beta()], name="second")
        (layer.directory / "layer.toml").write_text('after = ["second"]\n')
    else:
        make_layer(tmp_path / "layers", [beta()], name="second", toml='after = ["small"]\n')
    with pytest.raises(LayerBuildError, match=r"is of other requirements .*: run `python -m layer_builds lock small`"):
        load_lock(load_layer("small", root=layer.root), HERE)


def test_comments_and_order_of_requirements_need_no_new_lock(layer: LayerSpec) -> None:
    before_edit = load_lock(layer, HERE)
    layer.requirements_path.write_text("# both\r\nbeta\r\n\r\nalpha  # first\r\n")
    assert load_lock(layer, HERE) == before_edit


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("gamma==1.0", "is not a pinned package with one hash"),
        ("gamma>=1 --hash=sha256:" + "0" * 64, "is not a pinned package"),
        ("--index-url https://elsewhere.example/", "is not a pinned package"),
        ("alpha==1.0 --hash=sha256:" + "0" * 64, "alpha is pinned twice"),
    ],
)
def test_a_damaged_lock_is_refused(layer: LayerSpec, line: str, message: str) -> None:
    path = layer.lock_path(HERE)
    path.write_text(f"{path.read_text()}{line}\n")
    with pytest.raises(LayerBuildError, match=message):
        load_lock(layer, HERE)


names = st.from_regex(r"[a-z0-9]{1,6}(-[a-z0-9]{1,6}){0,2}", fullmatch=True)
pins = st.builds(
    Pin,
    name=names,
    version=st.from_regex(
        r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}((a|b|rc|\.post|\.dev)[0-9])?(\+[a-z0-9]{1,5})?", fullmatch=True
    ),
    sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    file=names.map(lambda name: f"{name}-1.0-py3-none-any.whl"),
    via=st.lists(names, unique=True, max_size=3).map(lambda one: tuple(sorted(one))),
)


@given(st.lists(pins, max_size=8, unique_by=lambda pin: pin.name))
def test_a_lock_reads_back_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, found: list[Pin]) -> None:
    layer, _ = make_layer(tmp_path_factory.mktemp("lock") / "layers", [])
    lock = Lock(lock_inputs(layer, HERE), tuple(sorted(found)))
    layer.lock_path(HERE).write_text(lock.text(HERE))
    assert load_lock(layer, HERE) == lock


def test_a_missing_or_hostile_list_of_modules_is_refused(layer: LayerSpec) -> None:
    path = layer.modules_path(HERE.runtime)
    path.write_text("alpha.py\n../../outside.py\n")
    with pytest.raises(LayerBuildError, match=r"'../../outside.py' is not the path of a module"):
        load_modules(layer, HERE)
    path.unlink()
    with pytest.raises(LayerBuildError, match=r"has no list of modules to compile .*python -m layer_builds lock small"):
        load_modules(layer, HERE)


def test_a_manifest_without_the_target_names_the_command(layer: LayerSpec) -> None:
    with pytest.raises(LayerBuildError, match=f"run `python -m layer_builds build small --runtime {HERE.runtime}"):
        load_manifest(layer).entry(HERE)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"python3.13-arm64": {}}', json.dumps({"python3.13-arm64": {"digest": "x"}})]
)
def test_a_damaged_manifest_is_refused(layer: LayerSpec, text: str) -> None:
    layer.manifest_path.write_text(text)
    with pytest.raises(LayerBuildError, match=r"is damaged .*python -m layer_builds build small --all"):
        load_manifest(layer)
