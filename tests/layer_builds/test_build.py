"""Whole builds of a small layer: real steps, real bytecode, a real smoke call; only uv's download is ours."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import warnings
import zipfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from layer_builds.build import in_target
from layer_builds.build.archive import tree_files, write_archive
from layer_builds.build.assets import PlaceAsset
from layer_builds.build.builder import build_layer, plan_actions
from layer_builds.build.compiling import Compile
from layer_builds.build.elf import check_native
from layer_builds.build.install import Install
from layer_builds.build.job import InTurn, Together
from layer_builds.build.made import Made
from layer_builds.build.outcome import update_manifest
from layer_builds.build.prune import drop, mentions_tests, prune
from layer_builds.build.records import fingerprint
from layer_builds.build.steps import Check, Prune, Record, Smoke, Zip
from layer_builds.build.verify import verify
from layer_builds.host.disk import file_sha256
from layer_builds.host.folders import BUILD_DIR_VARIABLE
from layer_builds.host.guards import staging_folder
from layer_builds.host.interpreters import find_interpreter, target_runtime_root
from layer_builds.plan import (
    REPOSITORY,
    LayerBuildError,
    LayerSpec,
    Manifest,
    Pin,
    Target,
    layer_digest,
    load_layer,
    load_lock,
    load_manifest,
)
from tests.layer_builds.wheelhouse import COMPILER, HERE, Installer, Wheel, alpha, beta, elf, make_layer, relock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from layer_builds.build.finished import BuiltLayer
    from layer_builds.host.processes import Completed

OTHER = {"arm64": "x86_64", "x86_64": "arm64"}[HERE.architecture]


@pytest.fixture(autouse=True)
def build_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(BUILD_DIR_VARIABLE, str(tmp_path / "build"))
    return tmp_path / "build"


def build(layer: LayerSpec, installer: Installer) -> BuiltLayer:
    return build_layer(layer, HERE, compiler=COMPILER, run=installer)


def failure(layer: LayerSpec, installer: Installer) -> str:
    with pytest.raises(LayerBuildError) as caught:
        build(layer, installer)
    return str(caught.value)


def small(tmp_path: Path, *more: Wheel, **options: object) -> tuple[LayerSpec, Installer]:
    return make_layer(tmp_path / "layers", [alpha(), beta(), *more], **options)  # pyright: ignore[reportArgumentType]


def test_a_layer_is_what_lambda_unpacks_to_opt(tmp_path: Path) -> None:
    built = build(*small(tmp_path))
    with zipfile.ZipFile(built.path) as file:
        assert file.testzip() is None
        names = file.namelist()
        assert names == sorted(names)
        tag = f"cpython-{HERE.facts.python.replace('.', '')}"
        assert f"python/beta/__pycache__/core.{tag}.pyc" in names
        assert f"python/alpha/__pycache__/unused.{tag}.pyc" not in names, "only what the smoke call imports"
        assert {info.date_time for info in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.external_attr >> 16 for info in file.infolist()} == {0o100644}
        compiled = file.read(f"python/beta/__pycache__/core.{tag}.pyc")
    assert compiled[4:8] == b"\x01\x00\x00\x00", "unchecked-hash: valid whatever the files' times are"
    assert b"/opt/python/beta/core.py" in compiled
    assert str(tmp_path).encode() not in compiled
    assert built.entry.smoke == "run"
    assert built.entry.distributions["alpha"].version == "1.0"


def test_nothing_of_the_installing_machine_is_in_a_layer(tmp_path: Path) -> None:
    built = build(*small(tmp_path))
    with zipfile.ZipFile(built.path) as file:
        content = b"".join(file.read(name) for name in file.namelist())
        assert not [name for name in file.namelist() if name.endswith((".lock", "direct_url.json", "INSTALLER"))]
        assert not [name for name in file.namelist() if name.startswith("python/bin")]
        record = file.read("python/alpha-1.0.dist-info/RECORD").decode()
    assert str(tmp_path).encode() not in content
    assert "bin/tool" not in record
    assert "direct_url" not in record
    assert "alpha/__pycache__/__init__" in record


def test_two_folders_two_modes_and_a_crlf_checkout_give_the_same_bytes(
    tmp_path: Path, build_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(*small(tmp_path / "one"))
    kept = first.path.read_bytes()
    shutil.rmtree(build_dir)
    layer, installer = small(tmp_path / "a much longer folder, with spaces")
    for path in layer.directory.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    monkeypatch.setenv("ODD_MODES", "1")
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    second = build(load_layer(layer.name, root=layer.root), installer)
    assert second.digest == first.digest
    assert second.path.read_bytes() == kept


def test_the_same_digest_again_is_a_hit_and_a_damaged_one_is_built_again(tmp_path: Path) -> None:
    layer, installer = small(tmp_path)
    first = build(layer, installer)
    again = build(layer, installer)
    assert (first.hit, again.hit) == (False, True)
    assert len(installer.installs) == 1
    assert again.entry == first.entry
    first.path.write_bytes(first.path.read_bytes()[:-1])
    assert not build(layer, installer).hit
    assert build(layer, installer).hit


def test_a_finished_archive_that_is_not_the_manifests_is_built_again(tmp_path: Path) -> None:
    """As another version of the builder would have left it: whole, its record beside it, under today's digest."""
    layer, installer = small(tmp_path)
    right = build(layer, installer)
    update_manifest(layer, [right])
    odd = build_layer(layer, HERE, compiler=COMPILER, run=installer, force=True)
    with odd.path.open("ab") as archive:
        archive.write(b"other bytes")
    other = replace(odd.entry, artifact_sha256=file_sha256(odd.path))
    odd.path.with_suffix(".json").write_text(json.dumps(other.document()))
    again = build(layer, installer)
    assert (again.hit, again.sha256) == (False, right.sha256)
    assert not update_manifest(layer, [again])


def test_two_builds_of_one_layer_at_once_both_get_into_its_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, installer = small(tmp_path)
    first = build(layer, installer)
    second = replace(first, target=Target(HERE.runtime, OTHER))
    beside = threading.Thread(target=update_manifest, args=(layer, [second]))

    def load(layer: LayerSpec) -> Manifest:
        manifest = load_manifest(layer)
        if not beside.ident:
            beside.start()
            beside.join(0.5)  # long enough to be lost, if it does not wait
        return manifest

    monkeypatch.setattr("layer_builds.build.outcome.load_manifest", load)
    update_manifest(layer, [first])
    beside.join()
    assert set(load_manifest(layer).entries) == {str(first.target), str(second.target)}


def test_a_file_changed_in_uvs_cache_does_not_get_into_a_layer(tmp_path: Path, build_dir: Path) -> None:
    """Seen with certifi, whose list of authorities a machine's set-up extended in place, through a hard link."""
    layer, installer = small(tmp_path)
    clean = build(layer, installer)
    kept = clean.path.read_bytes()
    shutil.rmtree(build_dir)
    installer.cached = {"alpha/__init__.py": b"VALUE = 1  # and more\n"}
    built = build(layer, installer)
    assert built.path.read_bytes() == kept
    assert "uv's cache holds a changed alpha/__init__.py of package alpha 1.0" in built.notes[0]
    assert "`uv cache clean alpha` fixes it" in built.notes[0]
    assert installer.installed[-2:] == [
        ["alpha-1.0-py3-none-any.whl", "beta-1.0-py3-none-any.whl"],
        ["alpha-1.0-py3-none-any.whl"],
    ]


def test_a_wheel_whose_own_record_is_wrong_is_told_from_a_changed_cache(tmp_path: Path) -> None:
    info = "gamma-1.0.dist-info"
    wrong = f"gamma.py,sha256=AAAA,1\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
    built = build(*small(tmp_path, Wheel("gamma", files={"gamma.py": b"VALUE = 3\n"}, record=wrong)))
    assert built.notes == ("gamma.py of package gamma 1.0 is not what its RECORD says: its wheel was made so",)


def test_what_one_layer_installed_compiled_and_packed_costs_the_next_nothing(tmp_path: Path, build_dir: Path) -> None:
    layer, installer = small(tmp_path)
    first = build(layer, installer)
    kept = first.path.read_bytes()
    again = build_layer(layer, HERE, compiler=COMPILER, run=without_compiling(installer), force=True)
    assert (again.path.read_bytes(), len(installer.installs)) == (kept, 1)
    assert again.notes[0].startswith("smoke call not repeated: it was made with the same files on ")
    more, other = make_layer(tmp_path / "more" / "layers", [alpha(), beta(), Wheel("gamma", files={"gamma.py": b""})])
    assert not build_layer(more, HERE, compiler=COMPILER, run=without_compiling(other)).hit
    assert other.installed == [["gamma-1.0-py3-none-any.whl"]]


def without_compiling(installer: Installer) -> Installer:
    class Watched(Installer):
        def __call__(self, argv: Sequence[str], **options: Any) -> Completed:
            assert "/alpha/__init__.py" not in (options.get("stdin") or "") or '"compile"' not in options["stdin"]
            return installer(argv, **options)

    return Watched([])


@pytest.mark.parametrize("damage", ["longer", "same size", "gone", "facts"])
def test_a_damaged_wheel_folder_is_made_anew(tmp_path: Path, build_dir: Path, damage: str) -> None:
    layer, installer = small(tmp_path)
    kept = build(layer, installer).path.read_bytes()
    (file,) = (build_dir / "wheels").glob("*/files/alpha/__init__.py")
    facts = next(parent / "facts.json" for parent in file.parents if (parent / "facts.json").is_file())
    {
        "longer": lambda: file.write_text("VALUE = 100\n"),
        "same size": lambda: file.write_text("VALUE = 9\n"),
        "gone": file.unlink,
        "facts": lambda: facts.write_text("{"),
    }[damage]()
    assert build_layer(layer, HERE, compiler=COMPILER, run=installer, force=True).path.read_bytes() == kept
    assert installer.installed[1:] == [["alpha-1.0-py3-none-any.whl"]]


@pytest.mark.parametrize("damage", ["longer", "same size", "gone", "facts", "the folder is a file"])
def test_damaged_bytecode_of_a_wheel_is_made_anew(tmp_path: Path, build_dir: Path, damage: str) -> None:
    layer, installer = small(tmp_path)
    kept = build(layer, installer).path.read_bytes()
    (file,) = (build_dir / "wheels").glob(f"*/bytecode-*-{COMPILER}/alpha/__pycache__/__init__.*.pyc")
    folder = file.parent.parent.parent
    {
        "longer": lambda: file.write_bytes(file.read_bytes() + b"more"),
        "same size": lambda: file.write_bytes(bytes(file.stat().st_size)),
        "gone": file.unlink,
        "facts": lambda: folder.with_suffix(folder.suffix + ".json").write_text("{"),
        "the folder is a file": lambda: (shutil.rmtree(folder), folder.touch()),
    }[damage]()
    (build_dir / "made.sqlite").unlink()
    assert build_layer(layer, HERE, compiler=COMPILER, run=installer, force=True).path.read_bytes() == kept
    assert len(installer.installs) == 1


@pytest.mark.parametrize("damage", ["file", "values"])
def test_what_was_made_before_and_is_damaged_is_made_anew(tmp_path: Path, build_dir: Path, damage: str) -> None:
    layer, installer = small(tmp_path)
    kept = build(layer, installer).path.read_bytes()
    file = build_dir / "made.sqlite"
    if damage == "file":
        file.write_bytes(b"not a database at all" * 100)
    else:
        with closing(sqlite3.connect(file)) as database, database:
            assert database.execute("UPDATE made SET value = x'00' || value").rowcount > 10
    again = build_layer(layer, HERE, compiler=COMPILER, run=installer, force=True)
    assert again.path.read_bytes() == kept
    assert again.notes == ()  # the smoke call was made again
    assert build_layer(layer, HERE, compiler=COMPILER, run=installer, force=True).notes != ()


def test_a_call_that_changes_is_made_again(tmp_path: Path) -> None:
    layer, installer = small(tmp_path)
    build(layer, installer)
    (layer.directory / "smoke.py").write_text("def smoke():\n    raise ValueError('changed')\n")
    with pytest.raises(LayerBuildError, match="ValueError: changed"):
        build_layer(layer, HERE, compiler=COMPILER, run=installer, force=True)


def test_a_call_is_not_repeated_by_the_same_python_under_another_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in another folder of builds, which links to the Pythons of the first."""
    layer, installer = small(tmp_path)
    assert not any("not repeated" in note for note in build(layer, installer).notes)
    real = getattr(sys, "_base_executable", sys.executable)
    link = tmp_path / "bin" / Path(real).name
    link.parent.mkdir()
    link.symlink_to(os.path.realpath(real))
    monkeypatch.setattr(sys, "_base_executable", str(link), raising=False)
    find_interpreter.cache_clear()
    try:
        again = build_layer(layer, HERE, compiler=COMPILER, run=installer, force=True)
        assert find_interpreter(COMPILER) == link
    finally:
        find_interpreter.cache_clear()
    assert any("not repeated" in note for note in again.notes)


def test_a_smoke_call_cannot_damage_what_other_layers_use(tmp_path: Path, build_dir: Path) -> None:
    """A layer's files are links: a call that writes to one writes to what every layer with the package has."""
    code = "import pathlib\nother = pathlib.Path(__file__).parent.parent / 'alpha/__init__.py'\n"
    bad = Wheel("gamma", files={"gamma/__init__.py": f"{code}other.write_text('VALUE = 3\\n')\n".encode()})
    text = failure(
        *small(tmp_path / "bad", bad, smoke="def smoke():\n    import gamma\n", modules=["gamma/__init__.py"])
    )
    assert "wrote to python/alpha/__init__.py of layer small" in text
    built = build(*small(tmp_path / "good"))
    with zipfile.ZipFile(built.path) as archive:
        assert archive.read("python/alpha/__init__.py") == b"VALUE = 1\n"


def test_what_a_smoke_call_changed_meanwhile_is_not_kept_under_what_it_was(tmp_path: Path) -> None:
    """The archive is packed beside the call, and what is kept by content is every layer's."""
    python, was = tmp_path / "opt/python", fingerprint(b"VALUE = 1\n")
    python.mkdir(parents=True)
    (python / "alpha.py").write_bytes(b"VALUE = 3\n")
    made = Made(tmp_path / "made.sqlite")
    job: Any = SimpleNamespace(
        tree=python.parent, python=python, fingerprints={"alpha.py": was}, caches=SimpleNamespace(made=made)
    )
    assert Zip._packed(job)["python/alpha.py"].fingerprint == fingerprint(b"VALUE = 3\n")
    assert made.size()[0] == 0
    job.fingerprints["alpha.py"] = fingerprint(b"VALUE = 3\n")
    Zip._packed(job)
    assert made.size()[0] == 1


def test_what_the_cache_holds_is_installed_without_asking_the_index(tmp_path: Path, build_dir: Path) -> None:
    layer, installer = small(tmp_path)
    build(layer, installer)
    assert ["--offline" in options for options in installer.installs] == [True]
    shutil.rmtree(build_dir)
    installer.cold = True
    build(layer, installer)
    assert ["--offline" in options for options in installer.installs[1:]] == [True, False]


def test_a_build_that_fails_leaves_no_archive_and_names_its_log(tmp_path: Path, build_dir: Path) -> None:
    layer, installer = small(tmp_path, smoke="def smoke():\n    import missing_package\n")
    text = failure(layer, installer)
    assert "No module named 'missing_package'" in text
    assert "It would fail in Lambda as well" in text
    assert f"The full log: {build_dir}" in text
    assert list((build_dir / "layers").iterdir()) == []


def test_a_log_is_named_where_it_stays(tmp_path: Path, build_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_dir.mkdir()
    (tmp_path / "copy").symlink_to(build_dir, target_is_directory=True)
    monkeypatch.setenv(BUILD_DIR_VARIABLE, str(tmp_path / "copy"))
    layer, installer = small(tmp_path, smoke="def smoke():\n    import missing_package\n")
    assert f"The full log: {build_dir}" in failure(layer, installer)


def test_a_full_disk_is_told_with_the_room_that_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("layer_builds.build.steps.write_archive", full)
    text = failure(*small(tmp_path))
    assert f"building layer small for {HERE} failed: No space left on device" in text
    assert re.search(r"[\d,]+ MB free in .* and [\d,]+ MB free in ", text)
    assert "TMPDIR" in text
    assert "The full log:" in text


def test_what_a_killed_build_left_is_removed_and_what_another_works_in_is_not(tmp_path: Path, build_dir: Path) -> None:
    layers = build_dir / "layers"
    for left in ("small-dead/opt", "docker-dead/out"):
        (layers / left).mkdir(parents=True)
    with staging_folder(layers, "other-") as used:
        (used / "opt").mkdir()
        (layers / "small-late").mkdir()
        build(*small(tmp_path))
        assert [path for path in layers.iterdir() if path.is_dir()] == [used]
        assert (used / "opt").is_dir()
    assert not used.exists()


def test_the_steps_of_a_build_can_be_read_before_they_run(tmp_path: Path) -> None:
    layer, _ = small(tmp_path, toml=_asset(b"words", "wheel"))
    steps = plan_actions(layer, HERE, COMPILER)
    assert [type(step) for step in steps] == [Install, Prune, PlaceAsset, Compile, Record, Together]
    last = steps[-1]
    assert isinstance(last, Together)
    assert [type(step) for step in last.actions] == [Smoke, InTurn]
    beside = last.actions[1]
    assert isinstance(beside, InTurn)
    assert [type(step) for step in beside.actions] == [Check, Zip]
    install = steps[0]
    assert isinstance(install, Install)
    argv = install.argv(Path("/x/python"), Path("/x/lock.txt"))
    assert argv[1:3] == ["pip", "install"]
    assert argv[argv.index("--python-platform") + 1] == HERE.uv_platform
    assert argv[argv.index("--python-version") + 1] == HERE.facts.python
    assert argv[argv.index("--only-binary") + 1] == ":all:"
    assert argv[argv.index("--link-mode") + 1] == "copy", "uv's cache shares files by hard links otherwise"
    assert "--no-compile-bytecode" in argv


def test_bytecode_can_be_for_all_modules_or_none(tmp_path: Path) -> None:
    every = build(*small(tmp_path / "all", toml='bytecode = "all"\n'))
    none = build(*small(tmp_path / "none", toml='bytecode = "none"\n'))
    with zipfile.ZipFile(every.path) as file:
        assert [name for name in file.namelist() if "unused" in name and name.endswith(".pyc")]
    with zipfile.ZipFile(none.path) as file:
        assert not [name for name in file.namelist() if name.endswith(".pyc")]


def test_a_smoke_call_that_imports_more_than_is_compiled_is_refused(tmp_path: Path) -> None:
    text = failure(*small(tmp_path, modules=["alpha/__init__.py"]))
    assert "imports 2 modules" in text
    assert "python -m layer_builds lock small" in text


def test_each_requirement_is_imported_whatever_the_smoke_file_does(tmp_path: Path) -> None:
    """A line that is added to requirements.in is tried, though nobody has added it to smoke.py."""
    wheel = Wheel("gamma", files={"gamma/__init__.py": b"import missing_package\n"})
    text = failure(*small(tmp_path, wheel))
    assert "requirement gamma of layer small cannot be imported" in text
    assert "`import gamma` fails with ModuleNotFoundError: No module named 'missing_package'" in text


@pytest.mark.parametrize("init", [None, b"__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"])
def test_what_is_below_a_namespace_is_imported_and_not_the_bare_namespace(tmp_path: Path, init: bytes | None) -> None:
    """As `google.cloud.storage`: importing `google` says nothing."""
    files = {"space/cloud/gamma/__init__.py": b"raise ValueError('broken')\n", "space/cloud/gamma/deep.py": b""}
    if init is not None:
        files |= {"space/__init__.py": init, "space/cloud/__init__.py": init}
    text = failure(*small(tmp_path, Wheel("gamma", files=files)))
    assert "`import space.cloud.gamma` fails with ValueError: broken" in text


def test_a_requirement_without_a_module_is_said_and_one_of_several_may_fail(tmp_path: Path) -> None:
    stubs = Wheel("types-gamma", files={"gamma-stubs/__init__.pyi": b""})
    several = Wheel(
        "delta", files={"delta.py": b"", "delta_extra.py": b"import not_installed\n", "tests/__init__.py": b""}
    )
    modules = ["alpha/__init__.py", "beta/__init__.py", "beta/core.py", "delta.py"]
    built = build(*small(tmp_path, stubs, several, modules=modules))
    assert built.notes == (
        "module delta_extra of delta cannot be imported: ModuleNotFoundError: No module named 'not_installed'",
        "requirement types-gamma brings no module to import, so nothing of it was tried",
    )


def test_of_a_requirement_that_is_only_a_list_of_others_those_are_imported(tmp_path: Path) -> None:
    """As `python-Levenshtein` is of `Levenshtein`: nothing of it was tried."""
    names = Wheel("names", needs=("gamma[fast]>=1; python_version >= '3'", "not-here ; extra == 'more'"))
    gamma = Wheel("gamma", files={"gamma/__init__.py": b"import not_installed\n"})
    layer, installer = small(tmp_path, names, gamma)
    pins = load_lock(layer, HERE).pins
    (layer.directory / "requirements.in").write_text("names\n")
    relock(layer, pins)
    text = failure(load_layer(layer.name, root=layer.root), installer)
    assert "requirement names of layer small cannot be imported" in text
    assert "`import gamma` fails with ModuleNotFoundError: No module named 'not_installed'" in text


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the system does not say what a process has loaded")
def test_a_library_of_this_machine_that_lambda_lacks_fails_the_call(tmp_path: Path) -> None:
    """`psycopg` without `[binary]` finds the build machine's libpq by name: nothing in the layer is linked with it."""
    library, needed = tmp_path / "machine" / "libodd.so.5", tmp_path / "machine" / "libneeded.so.1"
    library.parent.mkdir()
    compiler = shutil.which("cc") or pytest.skip("no C compiler is here")
    link = [compiler, "-shared", "-x", "c", "-", "-x", "none", "-Wl,--no-as-needed"]
    subprocess.run([*link, "-o", str(needed)], input=b"int needed = 1;", check=True)
    # Sorted before it, and not what the package asked for.
    subprocess.run([*link, "-o", str(library), str(needed)], input=b"int odd = 1;", check=True)
    code = f"import ctypes\nLIBRARY = 'libodd'\nctypes.CDLL({str(library)!r})\n"
    wheel = Wheel("gamma", files={"gamma.py": code.encode()})
    text = failure(
        *small(tmp_path, wheel, modules=["alpha/__init__.py", "beta/__init__.py", "beta/core.py", "gamma.py"])
    )
    assert f"loaded {library} of this machine (package gamma 1.0), and Lambda has no libodd.so.5" in text


def test_a_program_that_is_kept_starts_lambdas_python(tmp_path: Path) -> None:
    layer, installer = small(tmp_path, toml='keep = ["bin/tool"]\n')
    built = build(layer, installer)
    with zipfile.ZipFile(built.path) as archive:
        text = archive.read("python/bin/tool")
        assert text == f"#!/var/lang/bin/python{HERE.facts.python}\n".encode()
        assert archive.getinfo("python/bin/tool").external_attr >> 16 == 0o100755
        assert "bin/tool,sha256=" in archive.read("python/alpha-1.0.dist-info/RECORD").decode()
    assert verify(layer, HERE, compiler=COMPILER, run=installer).smoke == "run"


@pytest.mark.parametrize("listed", ["bin/gamma", "../../bin/gamma"])
def test_a_program_of_its_own_that_is_left_out_is_said_and_can_be_kept(tmp_path: Path, listed: str) -> None:
    """uv lists a wheel's own programs as `bin/…` and those that it makes as `../../bin/…`: `ruff` is of the first."""
    program = b"#!/bin/sh\nexit 0\n" + b"#" * 200_000
    wheel = Wheel("gamma", files={"gamma/__init__.py": b"", "bin/gamma": program})
    if listed != "bin/gamma":
        rows = (
            "gamma/__init__.py",
            listed,
            *(f"gamma-1.0.dist-info/{file}" for file in ("METADATA", "WHEEL", "RECORD")),
        )
        wheel.record = "".join(f"{row},,\n" for row in rows)
    (note,) = build(*small(tmp_path / "without", wheel)).notes
    assert note == (
        "the program bin/gamma of package gamma 1.0 is left out (0.2 MB): a function that starts it needs "
        '`keep = ["bin/gamma"]` in layer.toml'
    )
    kept = build(*small(tmp_path / "kept", wheel, toml='keep = ["bin/gamma"]\n'))
    assert kept.notes == ()
    with zipfile.ZipFile(kept.path) as archive:
        assert archive.read("python/bin/gamma") == program


def test_data_among_tests_that_code_names_is_said_and_can_be_kept(tmp_path: Path) -> None:
    files = {
        "gamma/__init__.py": b"MODEL = 'tests/model.bin'\n",
        "gamma/tests/model.bin": bytes(200_000),
        "gamma/tests/other.bin": bytes(10),
        "gamma/tests/test_gamma.py": b"",
    }
    without = build(*small(tmp_path / "without", Wheel("gamma", files=files)))
    assert without.notes[0] == "left out 0.2 MB that no function uses, 0.2 MB of it tests"
    assert without.notes[1].startswith(
        "gamma/tests/model.bin is left out with the tests, and gamma/__init__.py names it"
    )
    assert 'keep = ["gamma/tests/model.bin"]' in without.notes[1]
    kept = build(*small(tmp_path / "kept", Wheel("gamma", files=files), toml='keep = ["gamma/tests/model.bin"]\n'))
    with zipfile.ZipFile(kept.path) as archive:
        assert [name for name in archive.namelist() if "/tests/" in name] == ["python/gamma/tests/model.bin"]
    text = failure(*small(tmp_path / "gone", Wheel("gamma", files=files), toml='keep = ["gamma/tests/gone.bin"]\n'))
    assert "`keep` in layer.toml names 'gamma/tests/gone.bin', and no file is there any more" in text


def test_files_for_another_cpu_are_left_out_where_there_is_one_for_this(tmp_path: Path) -> None:
    """As `selenium`, whose wheel carries its program for several systems."""
    files = {"gamma/__init__.py": b"", "gamma/arm/manager": elf(OTHER), "gamma/intel/manager": elf()}
    built = build(*small(tmp_path / "both", Wheel("gamma", files=files)))
    (note,) = built.notes
    assert note.startswith("gamma/arm/manager of package gamma 1.0 is for another CPU, and left out")
    with zipfile.ZipFile(built.path) as archive:
        assert "python/gamma/intel/manager" in archive.namelist()
        assert "python/gamma/arm/manager" not in archive.namelist()
    del files["gamma/intel/manager"]
    assert f"manager is for {OTHER}" in failure(*small(tmp_path / "one", Wheel("gamma", files=files)))
    toml = f'[drop_for]\n{HERE.architecture} = ["gamma/arm/*"]\n'
    assert build(*small(tmp_path / "dropped", Wheel("gamma", files=files), toml=toml)).entry.smoke == "run"


def test_a_smoke_file_s_annotations_are_as_its_file_has_them(tmp_path: Path) -> None:
    """They were texts, as in the file that runs it: FastAPI took a model of a request for a word of its query."""
    check = "    import alpha\n    assert call.__annotations__ == {'number': int}\n"
    smoke = f"def call(number: int): ...\ndef smoke():\n{check}"
    assert build(*small(tmp_path, smoke=smoke)).entry.smoke == "run"


def test_a_smoke_file_may_use_what_several_of_them_share_and_nothing_else_of_the_builder(tmp_path: Path) -> None:
    shared = """
def smoke():
    from layer_builds.smoke_calls.service import Service, serving
    import urllib.request
    class Echo(Service):
        def do_POST(self):
            self.answer(200, {"got": self.document()})
    with serving(Echo) as address:
        request = urllib.request.Request(address, data=b"[1]")
        assert urllib.request.urlopen(request, timeout=20).read() == b'{"got": [1]}'
    %s
"""
    more = failure(*small(tmp_path / "more", smoke=shared % "import layer_builds.plan"))
    assert "No module named 'layer_builds.plan'" in more
    assert build(*small(tmp_path / "used", smoke=shared % "return {}")).entry.smoke == "run"


def test_no_layer_starts_a_server_of_its_own() -> None:
    """Written by hand it makes every call wait for a poll of half a second, and for delayed receipts."""
    own = [path for path in (REPOSITORY / "layer_builds/layers").glob("*/smoke.py") if "HTTPServer" in path.read_text()]
    assert not own


def test_the_smoke_call_has_no_network(tmp_path: Path) -> None:
    smoke = "def smoke():\n    import socket\n    socket.create_connection(('192.0.2.1', 80), timeout=5)\n"
    assert "reached for '192.0.2.1', and it runs with the network off" in failure(*small(tmp_path, smoke=smoke))


def test_the_smoke_call_sees_no_package_of_this_machine(tmp_path: Path) -> None:
    assert "No module named 'pytest'" in failure(*small(tmp_path, smoke="def smoke():\n    import pytest\n"))


@pytest.mark.parametrize("ending", ["", "os.remove(path)\n"])
def test_a_package_that_writes_beside_itself_is_refused(tmp_path: Path, ending: str) -> None:
    code = "import os\npath = os.path.join(os.path.dirname(__file__), 'tables.cache')\nopen(path, 'w').close()\n"
    wheel = Wheel("gamma", files={"gamma/__init__.py": f"{code}{ending}".encode()})
    modules = ["gamma/__init__.py"]
    text = failure(*small(tmp_path, wheel, smoke="def smoke():\n    import gamma\n", modules=modules))
    written = "python/gamma" if ending else "python/gamma/tables.cache"
    assert f"wrote to {written} of layer small (package gamma 1.0), and /opt is read-only in Lambda" in text


def test_another_cpus_stand_in_for_the_runtime_has_bytecode_for_it(tmp_path: Path) -> None:
    """Under emulation, compiling boto3 anew would be most of the smoke call."""
    _, installer = small(tmp_path)
    other = Target(HERE.runtime, OTHER)
    home = target_runtime_root(other, Path(sys.executable), installer)
    (compiled,) = home.glob("boto3/__pycache__/__init__.*.pyc")
    assert compiled.name == f"__init__.cpython-{HERE.facts.python.replace('.', '')}.pyc"
    assert compiled.read_bytes()[4:8] == b"\x01\x00\x00\x00", "unchecked-hash: valid wherever the folder is used"


def test_a_crash_in_native_code_is_told_as_one(tmp_path: Path) -> None:
    smoke = "def smoke():\n    import os, signal\n    os.kill(os.getpid(), signal.SIGSEGV)\n"
    assert "it crashed (SIGSEGV)" in failure(*small(tmp_path, smoke=smoke))


def test_a_wheel_tagged_for_another_cpu_is_refused(tmp_path: Path) -> None:
    machine = {"arm64": "aarch64", "x86_64": "x86_64"}[OTHER]
    wheel = Wheel("gamma", tag=f"cp311-abi3-manylinux_2_17_{machine}", files={"gamma.py": b""})
    text = failure(*small(tmp_path, wheel))
    assert f"package gamma 1.0 is a wheel for cp311-abi3-manylinux_2_17_{machine}, which {HERE} cannot load" in text
    assert "pin a version that has a wheel for it" in text


def test_a_library_for_another_cpu_under_a_right_tag_is_refused(tmp_path: Path) -> None:
    text = failure(*small(tmp_path, Wheel("gamma", files={"gamma/_native.so": elf(OTHER)})))
    assert f"package gamma 1.0: _native.so is for {OTHER}, and the layer is for {HERE}" in text


def test_a_library_that_needs_a_newer_glibc_is_refused(tmp_path: Path) -> None:
    text = failure(*small(tmp_path, Wheel("gamma", files={"gamma/_native.so": elf(glibc="GLIBC_2.38")})))
    has = ".".join(map(str, HERE.facts.glibc))
    assert f"package gamma 1.0: _native.so needs glibc 2.38, and {HERE.runtime} has glibc {has}" in text
    assert "Pin an older version" in text


@pytest.mark.parametrize(
    ("wanted", "library", "refusal"),
    [
        ("GLIBC_ABI_DT_RELR", "libc.so.6", "needs glibc 2.36, and python3"),
        ("GLIBC_PRIVATE", "libc.so.6", "needs GLIBC_PRIVATE of libc.so.6, and python3"),
        ("GLIBCXX_3.4.32", "libstdc++.so.6", "needs GLIBCXX_3.4.32 of libstdc++.so.6, and python3"),
        ("CXXABI_1.3.14", "libstdc++.so.6", "needs CXXABI_1.3.14 of libstdc++.so.6, and python3"),
    ],
)
def test_a_symbol_version_that_lambda_lacks_is_refused(tmp_path: Path, wanted: str, library: str, refusal: str) -> None:
    text = failure(*small(tmp_path, Wheel("gamma", files={"gamma/_native.so": elf(glibc=wanted, needed=library)})))
    assert f"package gamma 1.0: _native.so {refusal}" in text
    assert "GLIBCXX 3.4.2" in text
    assert "Pin an older version" in text


@pytest.mark.parametrize(
    ("runtime", "newest"),
    [("python3.11", "GLIBCXX_3.4.24"), ("python3.12", "GLIBCXX_3.4.29"), ("python3.13", "CXXABI_1.3.13")],
)
def test_the_newest_symbol_version_of_a_runtimes_libstdcxx_is_accepted(
    tmp_path: Path, runtime: str, newest: str
) -> None:
    library = tmp_path / "x.so"
    for version in (newest, "CXXABI_1.3.8", "CXXABI_FLOAT128", "OMP_9.0"):
        library.write_bytes(elf(glibc=version, needed="libstdc++.so.6"))
        check_native(library, "gamma 1.0", Target(runtime, HERE.architecture))


def test_a_library_that_comes_along_counts_instead_of_the_runtimes(tmp_path: Path) -> None:
    bundled = "libstdc++-0a1b2c.so.6"
    files = {
        "gamma/_native.so": elf(glibc="GLIBCXX_3.4.32", needed=bundled),
        f"gamma.libs/{bundled}": elf(),
        "gamma/__init__.py": b"",
    }
    assert build(*small(tmp_path, Wheel("gamma", files=files))).notes == ()


def test_the_newest_glibc_is_recorded_and_native_files_may_be_executed(tmp_path: Path) -> None:
    built = build(
        *small(tmp_path, Wheel("gamma", files={"gamma/_native.so": elf(glibc="GLIBC_2.9"), "gamma/_b.so": elf()}))
    )
    assert built.entry.glibc == "2.17"
    with zipfile.ZipFile(built.path) as file:
        assert file.getinfo("python/gamma/_b.so").external_attr >> 16 == 0o100755


def test_a_library_that_neither_the_layer_nor_lambda_has_is_refused(tmp_path: Path) -> None:
    """`opencv-python` on a machine with libGL: it says run and verified here, and fails in Lambda."""
    files = {"gamma/_gl.so": elf(needed="libGL.so.1"), "gamma/__init__.py": b""}
    text = failure(*small(tmp_path / "kept", Wheel("gamma", files=files)))
    assert "package gamma 1.0: python/gamma/_gl.so is linked with libGL.so.1, which is neither in the layer nor" in text
    assert "`drop` in layer.toml" in text
    assert (
        build(*small(tmp_path / "dropped", Wheel("gamma", files=files), toml='drop = ["gamma/_gl.so"]\n')).notes == ()
    )


@pytest.mark.parametrize("length", [5, 40, 63, 120, 200, 400])
def test_a_truncated_library_is_refused(tmp_path: Path, length: int) -> None:
    text = failure(*small(tmp_path, Wheel("gamma", files={"gamma/_native.so": elf()[:length]})))
    assert "package gamma 1.0: _native.so is a damaged or truncated library" in text
    assert "uv cache clean gamma" in text


def test_two_packages_that_hold_one_file_are_refused(tmp_path: Path) -> None:
    text = failure(*small(tmp_path, Wheel("gamma", files={"alpha/__init__.py": b"VALUE = 2\n"})))
    assert "packages alpha 1.0 and gamma 1.0 both hold alpha/__init__.py, and not the same" in text


def test_two_packages_that_hold_the_same_file_are_no_conflict(tmp_path: Path) -> None:
    files = {"alpha/__init__.py": b"VALUE = 1\n", "gamma.py": b""}
    built = build(*small(tmp_path, Wheel("gamma", files=files)))
    with zipfile.ZipFile(built.path) as archive:
        assert archive.namelist().count("python/alpha/__init__.py") == 1
    assert built.unzipped_bytes == sum(one.bytes for one in built.entry.distributions.values())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n",) * 2,
        (
            b"from pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)\n",
            b"__import__('pkg_resources').declare_namespace(__name__)\n",
        ),
    ],
)
def test_an_older_namespace_package_is_in_several_distributions(tmp_path: Path, first: bytes, second: bytes) -> None:
    """As `backports.tempfile` with `backports.weakref`."""
    one = Wheel("space-one", files={"space/__init__.py": first, "space/one.py": b"VALUE = 1\n"})
    two = Wheel("space-two", files={"space/__init__.py": second, "space/two.py": b"VALUE = 2\n"})
    modules = ["space/__init__.py", "space/one.py", "space/two.py"]
    smoke = "def smoke():\n    import space.one, space.two\n"
    layer, installer = make_layer(tmp_path / "layers", [one, two], smoke=smoke, modules=modules)
    assert build(layer, installer).entry.smoke == "run"
    verify(layer, HERE, compiler=COMPILER, run=installer)


def test_top_level_tests_of_two_packages_are_left_out(tmp_path: Path) -> None:
    one = Wheel("gamma", files={"gamma.py": b"", "tests/__init__.py": b"", "tests/test_gamma.py": b""})
    two = Wheel("delta", files={"delta.py": b"", "tests/__init__.py": b"# delta\n"})
    built = build(*small(tmp_path, one, two))
    with zipfile.ZipFile(built.path) as archive:
        assert not [name for name in archive.namelist() if name.startswith("python/tests/")]
    assert "tests/ is left out: packages delta 1.0 and gamma 1.0 each bring a top-level folder" in built.notes[0]


def test_a_wheel_that_lists_files_outside_the_layer_is_refused(tmp_path: Path) -> None:
    wheel = Wheel("gamma", files={"gamma.py": b""}, record="gamma.py,,\n../../../etc/passwd,,\n")
    assert "package gamma 1.0: its RECORD lists '../../../etc/passwd', outside the layer" in failure(
        *small(tmp_path, wheel)
    )


def test_a_file_that_no_package_owns_is_refused(tmp_path: Path) -> None:
    wheel = Wheel("gamma", files={"gamma.py": b"", "extra.py": b""}, record="gamma.py,,\ngamma-1.0.dist-info/WHEEL,,\n")
    text = failure(*small(tmp_path, wheel))
    assert "is in no package's RECORD" in text


def test_a_layer_over_the_budget_names_its_largest_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layer_builds.plan.spec.MAX_UNZIPPED_BYTES", 500_000)
    text = failure(*small(tmp_path, Wheel("gamma", files={"gamma.bin": bytes(600_000)})))
    assert "more than the 500,000 that Lambda takes" in text
    assert "0.6 MB  gamma 1.0" in text


def test_a_file_that_the_index_changed_is_told_as_a_hash_mismatch(tmp_path: Path) -> None:
    layer, installer = small(tmp_path)
    installer.stderr = "error: Hash mismatch for `alpha==1.0`\nExpected: x\nComputed: y"
    text = failure(layer, installer)
    assert "the index serves another file of alpha==1.0 than was locked" in text
    assert "python -m layer_builds lock small" in text


def test_an_installed_version_that_is_not_the_locked_one_is_refused(tmp_path: Path) -> None:
    layer, installer = small(tmp_path)
    pins = [
        Pin("alpha", "2.0", sha, path.name) if "alpha" in path.name else Pin("beta", "1.0", sha, path.name)
        for sha, path in installer.wheels.items()
    ]
    relock(layer, pins)
    assert "package alpha of layer small is 1.0, and the lock" in failure(layer, installer)


def test_an_interpreter_that_is_not_here_comes_with_the_command_that_installs_it(tmp_path: Path) -> None:
    layer, installer = small(tmp_path)
    missing = f"{HERE.facts.python}.99"
    with pytest.raises(LayerBuildError, match=f"uv python install {missing}"):
        build_layer(layer, HERE, compiler=missing, run=installer)


def test_an_asset_of_a_wheel_is_checked_and_placed(tmp_path: Path) -> None:
    layer, installer = _with_asset(tmp_path, b"words")
    built = build(layer, installer)
    with zipfile.ZipFile(built.path) as file:
        assert file.read("vocabulary/words.bin") == b"words"
    assert built.entry.assets == {"vocabulary/words.bin": 5}


def test_an_asset_that_is_another_file_is_refused(tmp_path: Path) -> None:
    layer, installer = _with_asset(tmp_path, b"wordz")
    assert "its origin serves another file than was declared" in failure(layer, installer)
    layer, installer = _with_asset(tmp_path / "size", b"more words")
    assert "has 10 bytes, and layer.toml says 5" in failure(layer, installer)


def test_a_layer_that_comes_after_another_is_checked_on_top_of_it(tmp_path: Path, build_dir: Path) -> None:
    root = tmp_path / "layers"
    one, first = make_layer(
        root, [alpha()], name="one", smoke="def smoke():\n    import alpha\n", modules=["alpha/__init__.py"]
    )
    smoke = "def smoke():\n    import alpha, beta.core\n"
    two, second = make_layer(
        root, [beta()], name="two", toml='after = ["one"]\n', smoke=smoke, modules=["beta/__init__.py", "beta/core.py"]
    )
    relock(
        one, [Pin("alpha", "1.0", next(iter(first.wheels)), "alpha-1.0-py3-none-any.whl")]
    )  # joined now: other inputs
    second.wheels |= first.wheels
    built = build(two, second)
    assert set(built.entry.distributions) == {"beta"}
    (build_dir / "layers" / f"{layer_digest(one, HERE, COMPILER)}.zip").unlink()
    with pytest.raises(LayerBuildError, match=r"layer one has not been built .*python -m layer_builds build one "):
        verify(two, HERE, compiler=COMPILER, run=second)


def test_a_file_that_an_earlier_layer_holds_too_is_refused(tmp_path: Path) -> None:
    """One distribution's `vendor/__init__.py` over another's: each layer works alone, and not the two together."""
    base = Wheel("vendor-base", files={"vendor/__init__.py": b"API = 1\n"})
    extra = Wheel("vendor-extra", files={"vendor/__init__.py": b"API = 2\n"})
    modules = ["vendor/__init__.py"]
    root, smoke = tmp_path / "layers", "def smoke():\n    import vendor\n"
    one, first = make_layer(root, [base], name="one", smoke=smoke, modules=modules)
    two, second = make_layer(root, [extra], name="two", toml='after = ["one"]\n', smoke=smoke, modules=modules)
    relock(one, [Pin("vendor-base", "1.0", next(iter(first.wheels)), base.file)])
    second.wheels |= first.wheels
    text = failure(two, second)
    assert "python/vendor/__init__.py is package vendor-extra 1.0's of layer two" in text
    assert "package vendor-base 1.0's of layer one, which it comes `after`" in text


def test_verify_takes_a_finished_archive_as_a_strangers(tmp_path: Path) -> None:
    layer, installer = small(tmp_path)
    built = build(layer, installer)
    assert verify(layer, HERE, compiler=COMPILER, run=installer).artifact_sha256 == built.sha256
    tree = tmp_path / "changed"
    with zipfile.ZipFile(built.path) as file:
        file.extractall(tree)
    (tree / "python/alpha/__init__.py").write_text("VALUE = 1  # changed\n")
    changed = tmp_path / "changed.zip"
    write_archive(tree, changed)
    with pytest.raises(LayerBuildError, match=r"alpha/__init__\.py is not what its RECORD says"):
        verify(layer, HERE, changed, compiler=COMPILER, run=installer)
    record = tree / "python/alpha-1.0.dist-info/RECORD"
    record.write_text(re.sub(r"(alpha/__init__\.py),.*", r"\1", record.read_text()))
    write_archive(tree, changed)
    with pytest.raises(LayerBuildError, match=r"alpha/__init__\.py is not what its RECORD says"):
        verify(layer, HERE, changed, compiler=COMPILER, run=installer)


def test_verify_says_how_to_build_what_is_not_there(tmp_path: Path) -> None:
    layer, installer = small(tmp_path)
    with pytest.raises(LayerBuildError, match="python -m layer_builds build small --runtime"):
        verify(layer, HERE, compiler=COMPILER, run=installer)


def pruned(python: Path, files: Mapping[str, bytes]) -> list[str]:
    for name, data in files.items():
        (python / name).parent.mkdir(parents=True, exist_ok=True)
        (python / name).write_bytes(data)
    return prune(
        python,
        sorted(files),
        lambda modules: in_target.imports({"root": str(python), "modules": modules})["imports"],
        [file for file in files if file.endswith(".py") and mentions_tests(python / file)],
    )


def test_tests_that_a_kept_module_imports_are_kept(tmp_path: Path) -> None:
    files = {
        "numeric/__init__.py": b"from numeric.testing import check\n",
        "numeric/testing.py": b"from .core.tests import helpers\nfrom numeric.other import x\ncheck = helpers\n",
        "numeric/core/__init__.py": b"",
        "numeric/core/tests/__init__.py": b"",
        "numeric/core/tests/helpers.py": b"import numeric.shared.test.data\n",
        "numeric/shared/test/data.py": b"",
        "numeric/linalg/tests/test_linalg.py": b"import numeric.core.tests\n",
        "numeric/fast.c": b"",
    }
    assert pruned(tmp_path, files) == ["numeric/fast.c", "numeric/linalg/tests/test_linalg.py"]


@pytest.mark.parametrize(
    "line",
    [
        b"from numeric.core import (  # the folder's\n    other,\n    tests,\n)\n",
        b"import os; from .core.tests import helpers\n",
        b"def late():\n    if True: from .core.tests import helpers\n",
        b"match 1:\n    case _:\n        import os, numeric.core.tests\n",
        b"try:\n    x = 1\nexcept OSError:\n    from \\\n  .core import tests\n",
    ],
)
def test_an_import_of_tests_is_found_however_it_is_written(tmp_path: Path, line: bytes) -> None:
    files = {"numeric/__init__.py": b"", "numeric/testing.py": line, "numeric/core/tests/helpers.py": b""}
    assert pruned(tmp_path, files) == []


def test_a_module_that_does_not_parse_keeps_the_tests_of_its_package(tmp_path: Path) -> None:
    files = {
        "odd/__init__.py": b"",
        "odd/testing.py": b"print 'tests'\n",
        "odd/core/tests/helpers.py": b"",
        "even/tests/bad.py": b"print 'tests of odd'\n",
    }
    assert pruned(tmp_path, files) == ["even/tests/bad.py"]


NUMERIC = {
    "numeric/__init__.py": b"def late():\n    from numeric.testing import check\n    return check\n",
    "numeric/core/__init__.py": b"",
    "numeric/core/tests/__init__.py": b"",
    "numeric/core/tests/helpers.py": b"OK = 1\n",
}


def holds_tests(built: BuiltLayer) -> bool:
    with zipfile.ZipFile(built.path) as file:
        return "python/numeric/core/tests/helpers.py" in file.namelist()


def test_which_tests_are_kept_does_not_depend_on_this_processs_warnings(tmp_path: Path) -> None:
    wheel = Wheel("numeric", files={**NUMERIC, "numeric/testing.py": b"from .core.tests import helpers\nx = '\\d'\n"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert holds_tests(build(*small(tmp_path, wheel)))


def test_which_tests_are_kept_does_not_depend_on_the_python_that_runs_the_builder(tmp_path: Path) -> None:
    newest = Target("python3.13", HERE.architecture)
    try:
        find_interpreter(newest.facts.compiler)
    except LayerBuildError as error:
        pytest.skip(str(error))
    source = b"type Check = int\nfrom .core.tests import helpers\n"
    wheel = Wheel("numeric", files={**NUMERIC, "numeric/testing.py": source})
    layer, installer = make_layer(
        tmp_path / "layers",
        [wheel],
        smoke="def smoke():\n    import numeric\n",
        modules=["numeric/__init__.py"],
        target=newest,
    )
    assert holds_tests(build_layer(layer, newest, run=installer))


def test_files_that_no_function_uses_can_be_dropped_and_a_stale_glob_is_refused(tmp_path: Path) -> None:
    built = build(*small(tmp_path, toml='drop = ["alpha/unu*.py"]\n'))
    with zipfile.ZipFile(built.path) as file:
        assert "python/alpha/unused.py" not in file.namelist()
        assert "unused" not in file.read("python/alpha-1.0.dist-info/RECORD").decode()
    text = failure(*small(tmp_path / "stale", toml='drop = ["alpha/renamed.py"]\n'))
    assert "`drop` in layer.toml names 'alpha/renamed.py', and no file is there any more" in text


@pytest.mark.parametrize(
    ("glob", "gone"),
    [
        ("pkg/*", {"pkg/a.py"}),
        ("pkg/**", {"pkg/a.py", "pkg/sub/b.py", "pkg/sub/deep/c.so"}),
        ("pkg/**.so", {"pkg/sub/deep/c.so"}),
        ("pkg/sub/?.py", {"pkg/sub/b.py"}),
    ],
)
def test_globs_mean_the_same_on_every_python(tmp_path: Path, glob: str, gone: set[str]) -> None:
    for name in ("pkg/a.py", "pkg/sub/b.py", "pkg/sub/deep/c.so", "pkgs/a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert set(drop(tmp_path, tree_files(tmp_path), [glob])) == gone


def test_a_link_in_a_layer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "python").mkdir()
    (tmp_path / "python/passwd").symlink_to("/etc/passwd")
    with pytest.raises(LayerBuildError, match="python/passwd is a link or a special file"):
        write_archive(tmp_path, tmp_path.with_suffix(".zip"))


def _asset(content: bytes, wheel: str) -> str:
    import hashlib

    return (
        f'[[assets]]\npath = "vocabulary/words.bin"\nsha256 = "{hashlib.sha256(content).hexdigest()}"\n'
        f'size = {len(content)}\nwheel = "delta==1.0"\nwheel_sha256 = "{hashlib.sha256(wheel.encode()).hexdigest()}"\n'
        'member = "delta/words.bin"\n'
    )


def _with_asset(tmp_path: Path, content: bytes) -> tuple[LayerSpec, Installer]:
    path = Wheel("delta", files={"delta/words.bin": content}).write(tmp_path / "asset-wheels")
    layer, installer = small(tmp_path, toml=_asset(b"words", "wheel"))
    sha = next(iter(Installer([path]).wheels))
    text = (layer.directory / "layer.toml").read_text()
    old = text.split('wheel_sha256 = "')[1].split('"')[0]
    (layer.directory / "layer.toml").write_text(text.replace(old, sha))
    installer.wheels[sha] = path
    return load_layer(layer.name, root=layer.root), installer
