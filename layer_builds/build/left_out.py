"""What pruning takes out, said; the files of other CPUs; and programs that are kept, made fit for Lambda."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from layer_builds.build.elf import MACHINES
from layer_builds.build.natives import what_they_ask
from layer_builds.build.records import fingerprint
from layer_builds.build.tree import owners, packages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from layer_builds.build.job import Job
    from layer_builds.build.records import Fingerprint

_SHEBANG = re.compile(rb"#!.*python.*\n|#!/bin/sh\n'''exec' .*python.*\n' '''\n")
_ELF = b"\x7fELF"
_SOURCE = (".py", ".pyi", ".pyc", ".typed", ".txt", ".md", ".rst")
_LEAST_SAID = 100_000
"""Bytes: less is not worth a line."""


def left_out_notes(python: Path, gone: Sequence[str], known: Mapping[str, Fingerprint]) -> list[str]:
    """What to say of files that were pruned: how much it was, and what of it may be missed.

    Args:
        python: The folder of packages.
        gone: What was deleted, below it.
        known: Fingerprints of what was installed.
    """
    sizes = {file: int(known[file][1]) for file in gone if file in known}
    whose = {script: package for package in packages(python) for script in package.scripts}
    # A launcher of a module does nothing that the module does not; a program of its own is the package's product.
    programs = [file for file in sorted(sizes) if file in whose and sizes[file] > _LEAST_SAID]
    tests = sum(size for file, size in sizes.items() if re.search(r"(^|/)tests?/", file))
    total = sum(size for file, size in sizes.items() if file not in programs)
    notes: list[str] = []
    if total >= _LEAST_SAID:
        notes.append(f"left out {total / 1e6:.1f} MB that no function uses, {tests / 1e6:.1f} MB of it tests")
    notes += [
        f"the program {program} of package {whose[program]} is left out ({sizes[program] / 1e6:.1f} MB): a function "
        f'that starts it needs `keep = ["{program}"]` in layer.toml'
        for program in programs
    ]
    data = {file.rpartition("/")[2]: file for file in sizes if "/test" in file and not file.endswith(_SOURCE)}
    readers = _readers(python, data)
    notes += [
        f'{file} is left out with the tests, and {readers[name]} names it: `keep = ["{file}"]` in layer.toml'
        for name, file in sorted(data.items())
        if name in readers
    ]
    return notes


def _readers(python: Path, data: Mapping[str, str]) -> dict[str, str]:
    """Of files by their names, the first module of the same package that has the name in it; each is read once."""
    tops: defaultdict[str, list[bytes]] = defaultdict(list)
    for name, file in data.items():
        if len(name) > 3:  # noqa: PLR2004 - `a.b` is in every text
            tops[file.partition("/")[0]].append(re.escape(name.encode()))
    found: dict[str, str] = {}
    for top, names in tops.items():
        word = re.compile(rb"[\"'/](" + b"|".join(names) + rb")(?=[\"'])")
        for path in sorted((python / top).rglob("*.py")):
            for name in word.findall(path.read_bytes()):
                found.setdefault(name.decode(), path.relative_to(python).as_posix())
    return found


def drop_foreign(job: Job) -> None:
    """Delete native files for another CPU where the same package brings one of the same name for the target."""
    whose = owners(packages(job.python))
    files = {file: str(whose[file]) for file in sorted(job.natives) if file in whose}
    if len({file.rpartition("/")[2] for file in files}) == len(files):
        return  # no two of one name
    asked = what_they_ask(job.python, files, job.fingerprints, job.caches.made)
    ours = {
        (package, file.rpartition("/")[2])
        for file, package in files.items()
        if MACHINES.get(asked[file].machine) == job.target.architecture
    }
    for file, package in files.items():
        foreign = MACHINES.get(asked[file].machine) != job.target.architecture
        if foreign and (package, file.rpartition("/")[2]) in ours:
            (job.python / file).unlink()
            job.forget([file])
            job.say(
                f"{file} of package {package} is for another CPU, and left out: the package has one for {job.target}"
            )


def fix_programs(job: Job) -> None:
    """Let scripts that are kept start Lambda's Python, and not that of the machine which installed them."""
    for file in [file for file in job.fingerprints if file.startswith("bin/")]:
        path = job.python / file
        data = path.read_bytes()
        if not data.startswith(_ELF):
            shebang = _SHEBANG.match(data)
            rest = data[shebang.end() :] if shebang else data
            start = f"#!/var/lang/bin/python{job.target.facts.python}\n".encode() if shebang else b""
            path.unlink()  # it is a link to what every layer with this package has
            path.write_bytes(start + rest)
            job.fingerprints[file] = fingerprint(start + rest)
