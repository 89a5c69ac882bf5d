"""What the corpora are fetched from, what is taken of it, and what is said when they are not there."""

from __future__ import annotations

import io
import re
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests import corpora
from tests.corpora import Corpus

if TYPE_CHECKING:
    from pathlib import Path


def test_only_the_distributions_own_lists_are_asked_and_for_sources_too(tmp_path: Path) -> None:
    deb822 = tmp_path / "debian.sources"
    deb822.write_text(
        "Types: deb\nURIs: http://x/debian\nSuites: stable\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n"
        "Types: deb\nURIs: http://y/\nSuites: nodistro\nComponents: main\nSigned-By: /usr/share/keyrings/other.gpg\n"
    )
    text = corpora._with_sources(deb822)
    assert text.startswith("Types: deb deb-src\nURIs: http://x/debian\n")
    assert "nodistro" not in text

    lines = tmp_path / "sources.list"
    lines.write_text("# a comment\ndeb http://x stable main\ndeb [signed-by=/k/other.gpg] http://y cloud main\n")
    assert corpora._with_sources(lines) == "deb http://x stable main\ndeb-src http://x stable main\n"


def test_only_wanted_files_are_taken_and_none_beside_the_folder(tmp_path: Path) -> None:
    archive = tmp_path / "a_1.0.orig.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("a-1.0/tests/x.pdf", "a-1.0/x.py", "a-1.0/../../out.pdf", "a-1.0//etc/y.pdf"):
            member = tarfile.TarInfo(name)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"%PDF"))
        link = tarfile.TarInfo("a-1.0/link.pdf")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    corpora._unpack(archive, re.compile(r".*\.pdf"), tmp_path / "into" / "deep")
    taken = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.pdf")}
    assert taken == {"into/deep/tests/x.pdf", "into/deep/etc/y.pdf"}


def test_what_is_not_there_is_skipped_with_the_command_that_fetches_it() -> None:
    absent = Corpus("no-such-package", re.compile("x"), source=True)
    with pytest.raises(pytest.skip.Exception, match=r"NOT RUN: no-such-package .*python -m tests.corpora fetch"):
        corpora.require([absent])
