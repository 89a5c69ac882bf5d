"""`audit`: every version that a lock pins, against a vulnerability service. A lock that lags a fix shows here.

Owns what is asked about (the locks of all layers, of the runtime's stand-in, and uv.lock) and the account for people.
The asking is `uv audit`'s, which speaks the OSV protocol: it gets one lock file with all pins in it, so that it reads
no project and resolves nothing. Upgrading is `lock`'s.

uv says that its audit may still change: the version is bounded in pyproject.toml, what it prints is checked here, and a
control proves with each run that the service answers.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit, urlunsplit

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from layer_builds.errors import LayerBuildError
from layer_builds.interpreters import REPOSITORY, RUNTIMES_DIR
from layer_builds.locks import load_lock
from layer_builds.processes import Log, Processes, find_uv
from layer_builds.spec import LAYERS_DIR, layer_names, load_layer
from layer_builds.targets import ALL_TARGETS, RUNTIMES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from layer_builds.processes import Completed, Runner
    from layer_builds.spec import LayerSpec

EXIT_CLEAN, EXIT_FOUND, EXIT_UNKNOWN = 0, 1, 2
"""Nothing known against any pin; something is; it could not be found out."""
DEFAULT_SERVICE = "https://api.osv.dev/"
DEFAULT_INDEX = "https://pypi.org/simple"
CONTROL = ("requests", "2.19.0")
CONTROL_ADVISORIES = frozenset({"GHSA-x84v-xcm2-53pg", "CVE-2018-18074", "PYSEC-2018-28"})
"""Asked about in each run, since it has been public since 2018 (https://nvd.nist.gov/vuln/detail/CVE-2018-18074): a
service, mirror or proxy that has nothing against it knows nothing, and its silence about the rest is no answer."""

_RUNTIME_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)
_TIMEOUT_SECONDS = 600.0

Package = tuple[str, str]
"""Normalised name, version."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A lock that pins a package."""

    lock: str
    """`layer openai-pinecone`, `runtime stand-in`, or `uv.lock`."""
    target: str
    """For which runtime and architecture; empty for uv.lock."""
    via: tuple[str, ...] = ()
    """What requires the package there, where the lock says it."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One advisory against one pinned version."""

    package: str
    version: str
    advisory: str
    aliases: tuple[str, ...]
    summary: str
    fixed: tuple[str, ...]
    """Versions above the pinned one that are rid of it, the lowest first; empty while there is none."""
    link: str
    places: tuple[Place, ...]

    @property
    def names(self) -> frozenset[str]:
        """All identifiers that people know it by."""
        return frozenset({self.advisory, *self.aliases})


@dataclass(frozen=True, slots=True, order=True)
class Status:
    """What the index says about a project as a whole: quarantined, archived, deprecated."""

    package: str
    status: str
    reason: str
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What one run found."""

    service: str
    packages: int
    locks: int
    findings: tuple[Finding, ...]
    statuses: tuple[Status, ...]
    ignored: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """1 for an advisory that was not ignored and for a quarantined project (it is held back as malicious)."""
        bad = self.findings or any(one.status == "quarantined" for one in self.statuses)
        return EXIT_FOUND if bad else EXIT_CLEAN


def collect_pins(
    layers: Iterable[LayerSpec], runtimes: Path | None, project: Path | None
) -> dict[Package, list[Place]]:
    """Everything that the locks pin.

    Args:
        layers: Whose locks, for all targets they are locked for.
        runtimes: The folder with the locks of the runtime's stand-in; None leaves them out.
        project: A uv.lock; None leaves it out.

    Raises:
        LayerBuildError: a lock is missing, stale or damaged.
    """
    pins: dict[Package, list[Place]] = {}
    for layer in layers:
        targets = [target for target in ALL_TARGETS if layer.lock_path(target).is_file()]
        # A layer without any lock: loading the first one says so, and what to run.
        for target in targets or ALL_TARGETS[:1]:
            for pin in load_lock(layer, target).pins:
                place = Place(f"layer {layer.name}", str(target), pin.via)
                pins.setdefault((pin.name, pin.version), []).append(place)
    for runtime in RUNTIMES.values() if runtimes is not None else ():
        path = cast("Path", runtimes) / f"python{runtime.python}.txt"
        for name, version in _RUNTIME_PIN.findall(_text(path)):
            pins.setdefault((canonicalize_name(name), version), []).append(Place("runtime stand-in", runtime.name))
    for name, version in _project_pins(project) if project is not None else ():
        pins.setdefault((name, version), []).append(Place("uv.lock", ""))
    if not pins:
        raise LayerBuildError("there is nothing to audit: no lock pins any package")
    return pins


def audit(
    pins: Mapping[Package, Sequence[Place]],
    run: Runner,
    *,
    service: str = DEFAULT_SERVICE,
    index: str = DEFAULT_INDEX,
    ignore: Collection[str] = (),
    ignore_until_fixed: Collection[str] = (),
) -> Audit:
    """Ask a vulnerability service about all pins at once.

    Args:
        pins: Of `collect_pins`.
        run: What starts uv.
        service: Address of an OSV-compatible service.
        index: The package index, asked whether a project is quarantined; an index that cannot say is passed over.
        ignore: Advisories, by any of their names, that are known and accepted.
        ignore_until_fixed: The same, for as long as there is no fixed version.

    Raises:
        LayerBuildError: the service could not be asked, or answered something that cannot be trusted.
    """
    with tempfile.TemporaryDirectory(prefix="strata-audit-") as folder:
        _write_project(Path(folder), {*pins, CONTROL}, index)
        argv = [
            *(find_uv(), "audit", "--frozen", "--no-cache", "--no-progress", "--preview-features"),
            *("audit-command,json-output", "--output-format", "json", "--service-url", service),
        ]
        report = _report(run(argv, cwd=Path(folder), timeout_seconds=_TIMEOUT_SECONDS), service, len(pins))
    try:
        found = sorted(_finding(one, pins) for one in report["vulnerabilities"])
        statuses = sorted({_status(one, pins) for one in report["adverse_statuses"]})
        asked = int(report["summary"]["audited_packages"])
    except (KeyError, TypeError, ValueError) as error:
        raise LayerBuildError(
            f"`uv audit` printed a report of another shape ({type(error).__name__}: {error}): this builder reads that "
            "of uv 0.13, which uv.lock pins (`make env`)"
        ) from None
    _check_control(found, service, asked, len({*pins, CONTROL}))
    known = [one for one in found if one.places]
    accepted = [
        one for one in known if one.names & set(ignore) or (not one.fixed and one.names & set(ignore_until_fixed))
    ]
    return Audit(
        service=service,
        packages=len(pins),
        locks=len({(place.lock, place.target) for places in pins.values() for place in places}),
        findings=tuple(one for one in known if one not in accepted),
        statuses=tuple(one for one in statuses if one.places),
        ignored=tuple(accepted),
    )


def text(result: Audit) -> str:
    """The account for people: what, since which version it is fixed, where it is pinned, and the way out."""
    lines: list[str] = []
    for one in result.findings:
        lines += [
            f"{one.package} {one.version}: {one.advisory}{_also(one.aliases)}",
            f"  {one.summary}",
            f"  {one.link}",
        ]
        lines += [f"  pinned by {where}" for where in _where(one.places)]
        if one.fixed:
            lines += [f"  fixed in {', '.join(one.fixed)}: run `make upgrade PACKAGE={one.package}`"]
        else:
            lines += ["  no version is rid of it yet: do without the package, or, when it cannot reach you,"]
            lines += [f"  `--ignore-until-fixed {one.advisory}`"]
        lines += [""]
    for status in result.statuses:
        lines += [f"{status.package} is {status.status} on its index{f' ({status.reason})' if status.reason else ''}"]
        lines += [*(f"  pinned by {where}" for where in _where(status.places)), ""]
    if any(one.fixed for one in result.findings):
        lines += [
            "What an upgrade leaves where it is, is held by a bound: in requirements.in, or in what requires it.",
            "",
        ]
    lines += [
        f"ignored: {one.advisory} of {one.package} {one.version}, pinned by {'; '.join(_where(one.places))}"
        for one in result.ignored
    ]
    count = len(result.findings)
    known = f"{count or 'no'} known {'vulnerability' if count == 1 else 'vulnerabilities'}"
    lines += [f"{result.packages} pinned versions in {result.locks} locks: {known}, says {result.service}"]
    return "\n".join(lines)


def document(result: Audit) -> dict[str, Any]:
    """The same for programs."""

    def places(where: Sequence[Place]) -> list[dict[str, Any]]:
        return [{"lock": one.lock, "target": one.target or None, "via": list(one.via)} for one in where]

    def finding(one: Finding) -> dict[str, Any]:
        return {
            "package": one.package,
            "version": one.version,
            "advisory": one.advisory,
            "aliases": list(one.aliases),
            "summary": one.summary,
            "fixed": list(one.fixed),
            "link": one.link,
            "places": places(one.places),
        }

    return {
        "service": result.service,
        "packages": result.packages,
        "locks": result.locks,
        "findings": [finding(one) for one in result.findings],
        "ignored": [finding(one) for one in result.ignored],
        "statuses": [
            {"package": one.package, "status": one.status, "reason": one.reason, "places": places(one.places)}
            for one in result.statuses
        ],
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m layer_builds audit`."""
    parser.description = "Check every pinned version of every lock against a vulnerability service (OSV)."
    parser.epilog = "Exit codes: 0 nothing is known against any pin, 1 something is, 2 it could not be found out."
    parser.add_argument("layers", nargs="*", metavar="LAYER", help="only these layers (otherwise all, and uv.lock)")
    parser.add_argument("--service-url", default=DEFAULT_SERVICE, help="an OSV-compatible service (%(default)s)")
    parser.add_argument("--ignore", action="append", default=[], metavar="ID", help="an advisory that is accepted")
    parser.add_argument(
        "--ignore-until-fixed", action="append", default=[], metavar="ID", help="the same, while there is no fix"
    )
    parser.add_argument("--json", action="store_true", help="for machines, on stdout")
    parser.add_argument("--layers-dir", type=Path, default=LAYERS_DIR, help=argparse.SUPPRESS)


def command(options: argparse.Namespace) -> int:
    """`python -m layer_builds audit`: 0 nothing known, 1 something is, 2 it could not be found out."""
    everything = not options.layers
    try:
        pins = collect_pins(
            [load_layer(name, root=options.layers_dir) for name in options.layers or layer_names(options.layers_dir)],
            RUNTIMES_DIR if everything else None,
            REPOSITORY / "uv.lock" if everything else None,
        )
        result = audit(
            pins,
            Processes(Log()),
            service=options.service_url,
            index=os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL") or DEFAULT_INDEX,
            ignore=options.ignore,
            ignore_until_fixed=options.ignore_until_fixed,
        )
    except LayerBuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_UNKNOWN
    print(json.dumps(document(result), indent=1) if options.json else text(result))
    return result.exit_code


def _write_project(folder: Path, packages: Collection[Package], index: str) -> None:
    """A project that depends on exactly these: `uv audit` reads no other kind of lock file."""
    source = f"source = {{ registry = {json.dumps(_without_password(index))} }}"
    pinned = [f"name = {json.dumps(name)}\nversion = {json.dumps(version)}\n{source}\n" for name, version in packages]
    wanted = [
        f"  {{ name = {json.dumps(name)}, version = {json.dumps(version)}, {source} }},\n" for name, version in packages
    ]
    project = '[project]\nname = "strata-audit"\nversion = "0"\nrequires-python = ">=3.11"\n'
    root = 'name = "strata-audit"\nversion = "0"\nsource = { virtual = "." }\n'
    lock = 'version = 1\nrevision = 3\nrequires-python = ">=3.11"\n\n'
    lock += f"[[package]]\n{root}dependencies = [\n{''.join(sorted(wanted))}]\n"
    lock += "".join(f"\n[[package]]\n{one}" for one in sorted(pinned))
    (folder / "pyproject.toml").write_text(project, encoding="utf-8")
    (folder / "uv.lock").write_text(lock, encoding="utf-8")


def _report(done: Completed, service: str, packages: int) -> dict[str, Any]:
    if done.returncode in {EXIT_CLEAN, EXIT_FOUND}:
        try:
            report = json.loads(done.stdout)
        except ValueError:
            report = None
        if isinstance(report, dict):
            return cast("dict[str, Any]", report)
    raise LayerBuildError(
        f"the vulnerability service {_without_password(service)} could not be asked, so nothing is known about "
        f"{packages} pinned versions:\n{done.stderr.strip()[-1500:] or done.stdout.strip()[-500:]}\n"
        "Run it where the service can be reached, or name a mirror of it: `--service-url`"
    )


def _check_control(found: Iterable[Finding], service: str, asked: int, expected: int) -> None:
    if asked != expected:
        raise LayerBuildError(
            f"`uv audit` asked about {asked} of {expected} pinned versions: the rest would pass for clean. Report it "
            "with `uv --version`"
        )
    if not any((one.package, one.version) == CONTROL and one.names & CONTROL_ADVISORIES for one in found):
        name, version = CONTROL
        raise LayerBuildError(
            f"{_without_password(service)} answers, and has nothing against {name} {version}, whose CVE-2018-18074 has "
            "been public since 2018: it is no vulnerability service, or an empty mirror of one, and that it has "
            "nothing against the pinned versions means nothing. Name another: `--service-url`"
        )


def _finding(one: dict[str, Any], pins: Mapping[Package, Sequence[Place]]) -> Finding:
    name, version = canonicalize_name(str(one["dependency"]["name"])), str(one["dependency"]["version"])
    identifier = str(one["id"])
    return Finding(
        package=name,
        version=version,
        advisory=identifier,
        aliases=tuple(sorted({str(alias) for alias in one["aliases"]} - {identifier})),
        summary=" ".join(str(one["summary"] or one["description"] or "(no summary)").split())[:300],
        fixed=_above(version, [str(fixed) for fixed in one["fix_versions"]]),
        link=str(one["link"] or ""),
        places=tuple(sorted(pins.get((name, version), ()))),
    )


def _status(one: dict[str, Any], pins: Mapping[Package, Sequence[Place]]) -> Status:
    name = canonicalize_name(str(one["name"]))
    places = {place for (package, _), where in pins.items() if package == name for place in where}
    return Status(name, str(one["status"]), str(one["reason"] or ""), tuple(sorted(places)))


def _above(version: str, fixed: Iterable[str]) -> tuple[str, ...]:
    # An advisory lists the fix of each release line; one below the pinned version is of an older line.
    found: dict[Version, str] = {}
    for one in fixed:
        try:
            if Version(one) > Version(version):
                found[Version(one)] = one
        except InvalidVersion:
            continue
    return tuple(found[one] for one in sorted(found))


def _where(places: Iterable[Place]) -> list[str]:
    """One line per lock, its targets together."""
    targets: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for place in places:
        targets.setdefault((place.lock, place.via), []).append(place.target)
    lines: list[str] = []
    for (lock, via), names in sorted(targets.items()):
        shown = f" ({', '.join(sorted(filter(None, names)))})" if any(names) else ""
        lines.append(lock + shown + (f", required by {', '.join(via)}" if via else ""))
    return lines


def _also(aliases: Sequence[str]) -> str:
    return f" ({', '.join(aliases)})" if aliases else ""


def _project_pins(lock: Path) -> list[Package]:
    try:
        packages: list[dict[str, Any]] = tomllib.loads(_text(lock))["package"]
        return sorted(
            {
                (canonicalize_name(one["name"]), str(one["version"]))
                for one in packages
                if "registry" in one.get("source", {})
            }
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise LayerBuildError(f"{lock} is not a lock of uv ({type(error).__name__}: {error}): run `uv lock`") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise LayerBuildError(f"{path}: cannot be read ({error.strerror})") from None


def _without_password(address: str) -> str:
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
