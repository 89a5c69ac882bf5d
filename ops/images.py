"""The base images of functions that are shipped as container images, pinned in a stack's config file.

A base is named by its digest, which is read from its registry here and nowhere guessed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from layer_builds.plan import DEFAULT_RUNTIME, RUNTIMES, LayerBuildError
from layer_builds.ship.registry import Registry
from ops.errors import OpsError
from ops.live_version import Edit
from ops.report import Report, Table
from ops.stack_file import no_config, parse, read_config
from ops.values import as_object

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SECTION = "strata:images"
BASES = "bases"
LAMBDA_PYTHON = "public.ecr.aws/lambda/python"
"""AWS's base images: a tag for each minor version of Python, an index of both CPUs behind each."""


def pin_bases(
    file: Path, runtimes: Sequence[str] = (), *, repository: str = LAMBDA_PYTHON, dry_run: bool = False
) -> Report:
    """Write the digests that a registry has now.

    Args:
        file: The stack's config file.
        runtimes: Which; empty is those that are pinned already, else the default one.
        repository: AWS's, or a mirror of it with the same tags.
        dry_run: Write nothing.

    Raises:
        OpsError: the registry cannot be reached or has no such image, or the file could not be edited.
    """
    before = _text(file)
    edited = parse(before)
    section = as_object(read_config(file).get(SECTION)) or {}
    known = as_object(section.get(BASES)) or {}
    found = {runtime: _pinned(repository, runtime) for runtime in (runtimes or [*known] or [DEFAULT_RUNTIME])}
    edited.put_into(SECTION, BASES, found)
    changed = {runtime: image for runtime, image in found.items() if known.get(runtime) != image}
    by_hand = f"write them into `{SECTION}.{BASES}` of {file.name}"
    edit = Edit(file=file, before=before, after=edited.text(), summary=", ".join(changed), by_hand=by_hand)
    if changed and not dry_run:
        try:
            edit.save()
        except OSError as error:
            raise OpsError(f"{file.name} could not be written ({error.strerror}): {by_hand}") from None
    rows = [
        (runtime, image, str(known.get(runtime, "not pinned")), "changed" if runtime in changed else "as it was")
        for runtime, image in found.items()
    ]
    return Report(
        data={"bases": found, "changed": sorted(changed), "written": bool(changed) and not dry_run},
        tables=[Table(title=f"{SECTION}.{BASES}", columns=("runtime", "base", "before", ""), rows=rows)],
        notes=[f"{file.name} was not written"] if dry_run else [],
    )


def _pinned(repository: str, runtime: str) -> str:
    tag = RUNTIMES[runtime].python
    try:
        image = Registry(repository).image(tag)
    except LayerBuildError as error:
        raise OpsError(f"{error}; pin base images on a machine that reaches {repository.partition('/')[0]}") from None
    if image is None:
        raise OpsError(f"{repository} has no tag {tag}, which {runtime} would be")
    return f"{repository}@{image.digest}"


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except FileNotFoundError:
        raise OpsError(no_config(file)) from None
    except (OSError, UnicodeError) as error:
        raise OpsError(f"{file.name} could not be read ({error})") from None
