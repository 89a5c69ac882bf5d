"""`audit`: every version that a lock pins, against a vulnerability service. A lock that lags a fix shows here.

The asking is `uv audit`'s, which speaks the OSV protocol: it gets one lock file with all pins in it, so it reads no
project and resolves nothing. uv says that its audit may still change: the version is bounded in pyproject.toml, what
it prints is checked here, and a control proves with each run that the service answers.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit, urlunsplit

from packaging.version import InvalidVersion, Version

from layer_builds.host.processes import find_uv
from layer_builds.plan import LayerBuildError, normal_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import date

    from layer_builds.host.processes import Completed, Runner
    from layer_builds.ship.exceptions import Accepted
    from layer_builds.ship.pins import Package, Place

EXIT_CLEAN, EXIT_FOUND, EXIT_UNKNOWN = 0, 1, 2
"""Nothing known against any pin; something is; it could not be found out."""
DEFAULT_SERVICE = "https://api.osv.dev/"
DEFAULT_INDEX = "https://pypi.org/simple"
CONTROL = ("requests", "2.19.0")
CONTROL_ADVISORIES = frozenset({"GHSA-x84v-xcm2-53pg", "CVE-2018-18074", "PYSEC-2018-28"})
"""Asked about in each run, since it has been public since 2018 (https://nvd.nist.gov/vuln/detail/CVE-2018-18074): a
service, mirror or proxy that has nothing against it knows nothing, and its silence about the rest is no answer."""
_TIMEOUT_SECONDS = 600.0


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

    def is_covered_by(self, exception: Accepted) -> bool:
        """Whether an exception is about it."""
        return self.package == exception.package and exception.advisory in {self.advisory, *self.aliases}


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
    accepted: tuple[tuple[Finding, Accepted], ...]
    remarks: tuple[str, ...]
    """About exceptions that have ended or that nothing needs."""

    @property
    def exit_code(self) -> int:
        """1 for an advisory that is not accepted and for a quarantined project (it is held back as malicious)."""
        bad = self.findings or any(one.status == "quarantined" for one in self.statuses)
        return EXIT_FOUND if bad else EXIT_CLEAN


def audit(
    pins: Mapping[Package, Sequence[Place]],
    run: Runner,
    *,
    today: date,
    service: str = DEFAULT_SERVICE,
    index: str = DEFAULT_INDEX,
    exceptions: Sequence[Accepted] = (),
) -> Audit:
    """Ask a vulnerability service about all pins at once.

    Args:
        pins: Of `collect_pins`.
        run: What starts uv.
        today: Exceptions that ended before it do not count.
        service: Address of an OSV-compatible service.
        index: The package index, asked whether a project is quarantined; an index that cannot say is passed over.
        exceptions: Advisories that are accepted.

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
    found = [one for one in found if one.places]
    counting = [exception for exception in exceptions if exception.until >= today]
    accepted = [(one, exception) for one in found for exception in counting if one.is_covered_by(exception)]
    return Audit(
        service=service,
        packages=len(pins),
        locks=len({(place.lock, place.target) for places in pins.values() for place in places}),
        findings=tuple(one for one in found if one not in [finding for finding, _ in accepted]),
        statuses=tuple(one for one in statuses if one.places),
        accepted=tuple(accepted),
        remarks=tuple(_remarks(exceptions, found, today)),
    )


def _remarks(exceptions: Iterable[Accepted], found: Sequence[Finding], today: date) -> list[str]:
    remarks: list[str] = []
    for exception in exceptions:
        what = f"audit.toml: {exception.advisory} of {exception.package}"
        if not any(finding.is_covered_by(exception) for finding in found):
            remarks.append(f"{what} is not known against anything that is pinned: delete it")
        elif exception.until < today:
            remarks.append(f"{what} was accepted until {exception.until}, so it counts again: {exception.reason}")
    return remarks


def _write_project(folder: Path, packages: Collection[Package], index: str) -> None:
    """A project that depends on exactly these: `uv audit` reads no other kind of lock file."""
    source = f"source = {{ registry = {json.dumps(_without_password(index))} }}"
    rows = [f"name = {json.dumps(name)}, version = {json.dumps(version)}, {source}" for name, version in packages]
    wanted = "".join(f"  {{ {row} }},\n" for row in sorted(rows))
    pinned = "".join("\n[[package]]\n" + row.replace(", ", "\n") + "\n" for row in sorted(rows))
    head = 'version = 1\nrevision = 3\nrequires-python = ">=3.11"\n\n[[package]]\n'
    root = 'name = "strata-audit"\nversion = "0"\nsource = { virtual = "." }\n'
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "strata-audit"\nversion = "0"\nrequires-python = ">=3.11"\n', encoding="utf-8"
    )
    (folder / "uv.lock").write_text(f"{head}{root}dependencies = [\n{wanted}]\n{pinned}", encoding="utf-8")


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
    controls = [one for one in found if (one.package, one.version) == CONTROL]
    if not any(CONTROL_ADVISORIES & {one.advisory, *one.aliases} for one in controls):
        name, version = CONTROL
        raise LayerBuildError(
            f"{_without_password(service)} answers, and has nothing against {name} {version}, whose CVE-2018-18074 has "
            "been public since 2018: it is not a vulnerability service, or is an empty mirror of one, and that it has "
            "nothing against the pinned versions means nothing. Name another: `--service-url`"
        )


def _finding(one: dict[str, Any], pins: Mapping[Package, Sequence[Place]]) -> Finding:
    name, version = normal_name(str(one["dependency"]["name"])), str(one["dependency"]["version"])
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
    name = normal_name(str(one["name"]))
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


def _without_password(address: str) -> str:
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
