"""The deployed function with another handler in front of it: for controls, in tests and benchmarks."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.cloud import LocalCloud

ALIAS = "live"


def put_in_front(cloud: LocalCloud, source: Path) -> str:
    """Publish the function's own package with one more module, whose `handler` is called, and make it live.

    Args:
        cloud: where the function is.
        source: the module.

    Returns:
        The new version.
    """
    from components.code import code_package  # noqa: PLC0415 - imports Pulumi

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in code_package("embedding").files.items():
            archive.writestr(name, text)
        archive.writestr(source.name, source.read_text(encoding="utf-8"))
    name, client = cloud.function()["name"], cloud.client("lambda")
    client.update_function_code(FunctionName=name, ZipFile=packed.getvalue())
    client.update_function_configuration(FunctionName=name, Handler=f"{source.stem}.handler")
    version = str(client.publish_version(FunctionName=name)["Version"])
    go_live(cloud, version)
    return version


def go_live(cloud: LocalCloud, version: str) -> None:
    """Move the alias, and with it the queue."""
    cloud.client("lambda").update_alias(FunctionName=cloud.function()["name"], Name=ALIAS, FunctionVersion=version)
