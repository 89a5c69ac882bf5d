"""Every PDF of four programs' test suites: an answer each, and the images that poppler finds, with its pixels.

Fetched by `python -m tests.corpora fetch`; poppler is Debian's `poppler-utils`. Skipped loudly where either is missing.
"""

from __future__ import annotations

import io
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tests import corpora
from tests.lambdas.image_processor.conftest import ask, pixels
from tests.lambdas.image_processor.test_hostile import check

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.corpora, pytest.mark.slow, pytest.mark.timeout(900)]

LIMIT_SECONDS = 60.0
OTHERWISE = {
    "content-stream-errors.pdf": "poppler counts an inline image of which the file has no byte",
    "eof-in-inline-image.pdf": "as above",
    "issue-117.pdf": "poppler reads `/Height +1` as no number",
    "name-pound-images.pdf": "poppler does not find /Im#, a name that the standard does not allow",
}
"""Files whose images poppler lists otherwise, and why."""
PIXELS_OTHERWISE = {
    "1biticc.pdf": "its rows do not end at a byte, as the standard wants",
    "unsupported-optimization.pdf": "as above",
    "pal-1bit-rgb.pdf": "pdfimages swaps the palette; poppler's own page does not",
    "png-filters.pdf": "pdfimages takes the low byte of 16 bits",
    "png-filters-decoded.pdf": "as above",
}


@pytest.mark.parametrize("operation", ["extract_images", "render_pages"])
@pytest.mark.parametrize("corpus", corpora.HOSTILE, ids=lambda corpus: corpus.package)
def test_every_file_has_an_answer(
    corpus: corpora.Corpus, operation: str, caplog: pytest.LogCaptureFixture, record_property: Any
) -> None:
    corpora.require([corpus])
    counts: dict[str, int] = {}
    files = [path for path in corpora.hostile_pdfs() if path.is_relative_to(corpus.folder)]
    for path in files:
        code = check(ask(path.read_bytes(), operation, LIMIT_SECONDS, dpi=36))
        counts[code] = counts.get(code, 0) + 1
    assert sum(counts.values()) == len(files)
    assert "timed_out" not in counts
    peaks = [entry.__dict__["peak_mib"] for entry in caplog.records if "peak_mib" in entry.__dict__]
    assert max(peaks) < 400
    record_property("answers", counts)


def poppler(path: Path) -> tuple[set[tuple[int, int]], int, dict[int, tuple[str, bool]]]:
    """Page and object number of every image, how many are inline, and the names of files to compare with."""
    done = subprocess.run(["pdfimages", "-list", str(path)], capture_output=True, timeout=60, check=False)
    rows = [line.split() for line in done.stdout.decode("utf-8", "replace").splitlines()[2:]]
    found, inline, names = set[tuple[int, int]](), 0, dict[int, tuple[str, bool]]()
    for row, following in zip(rows, [*rows[1:], ["", "", ""]], strict=False):
        if row[2] not in {"image", "stencil"}:
            continue
        if "[inline]" in row:
            inline += 1
            continue
        number = int(row[10])
        found.add((int(row[0]) - 1, number))
        plain = row[2] == "image" and following[2] not in {"smask", "mask"}
        names.setdefault(number, (f"x-{int(row[0]):03}-{int(row[1]):03}.png", plain))
    return found, inline, names


@pytest.mark.parametrize("corpus", corpora.HOSTILE, ids=lambda corpus: corpus.package)
def test_the_images_are_those_that_poppler_finds(corpus: corpora.Corpus, tmp_path: Path, record_property: Any) -> None:
    corpora.require([corpus])
    if shutil.which("pdfimages") is None:
        pytest.skip("NOT RUN: pdfimages is not installed (Debian: poppler-utils)")
    files = corpus.files()
    with ThreadPoolExecutor(2) as pool:
        theirs = list(pool.map(poppler, files))
    compared = {"files": 0, "images": 0}
    for path, (found, inline, names) in zip(files, theirs, strict=True):
        answer = ask(path.read_bytes())
        if answer["status"] != "ok":
            assert found == set(), path
            continue
        images = answer["images"]
        ours = {(page, image["xref"]) for image in images for page in image["pages"]}
        skipped = {(each["page"], each["xref"]) for each in answer["skipped"]}
        objects = {entry for entry in ours if entry[1]}
        counts_inline = len(objects) < len(ours)
        # What could not be decoded poppler lists, too, as far as it can tell that it is an image.
        same = objects <= found <= objects | skipped and counts_inline == (inline > 0)
        assert same or path.name in OTHERWISE, (path, objects ^ found)
        compared["files"] += bool(objects)
        if names and len(names) < 100 and path.name not in PIXELS_OTHERWISE:
            folder = tmp_path / f"{compared['files']}"
            folder.mkdir(exist_ok=True)
            command = ["pdfimages", "-png", "-p", str(path), str(folder / "x")]
            subprocess.run(command, capture_output=True, timeout=120, check=False)
            compared["images"] += compare(images, names, folder)
            shutil.rmtree(folder)
    record_property("compared", compared)
    print(corpus.package, compared)


def on_white(found: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """RGB of any samples: a colour key is transparent, which poppler leaves out of account."""
    colour, alpha = found, np.full((*found.shape[:2], 1), 255)
    if found.shape[2] in {2, 4}:
        colour, alpha = found[..., :-1], found[..., -1:]
    colour = colour.repeat(3, axis=2) if colour.shape[2] == 1 else colour
    return (colour * alpha + 255 * (255 - alpha)) // 255


def compare(images: list[dict[str, Any]], names: dict[int, tuple[str, bool]], folder: Path) -> int:
    """Compare images without a mask, which poppler writes apart, sample by sample; how many there were."""
    count = 0
    for image in images:
        name, plain = names.get(image["xref"], ("", False))
        if not plain or not (folder / name).is_file():
            continue
        expected = np.array(Image.open(io.BytesIO((folder / name).read_bytes())).convert("RGB"), np.int16)
        found = on_white(pixels(image).astype(np.int32))
        difference = np.abs(found - expected)
        assert (difference.mean() < 2, np.percentile(difference, 99) <= 16) == (True, True), (image["xref"], name)
        count += 1
    return count
