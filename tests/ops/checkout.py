"""A small checkout of a program like ours: one function, one layer with its manifest, one queue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import json
import pulumi
import pulumi_aws as aws
import pulumi_command as command

settings = pulumi.Config("strata").require_object("embedding")
if settings["memory_mb"] < 128:
    raise pulumi.RunError("strata:embedding.memory_mb is too small")
account = aws.get_caller_identity_output().account_id
digest = "DIGEST"


class Thing(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__("strata:components:Thing", name)
        child = pulumi.ResourceOptions(parent=self)
        publish = command.local.Command(name + "-publish", create="publish", triggers=[digest], opts=child)
        layer = aws.lambda_.LayerVersion(
            name + "-layer", layer_name="l", s3_bucket="b", s3_key=f"layers/openai/{digest}.zip",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[publish]),
        )
        trust = account.apply(lambda found: json.dumps({"account": found}))
        role = aws.iam.Role(name + "-role", assume_role_policy=trust, opts=child)
        function = aws.lambda_.Function(
            name + "-function",
            role=role.arn,
            runtime="python3.13",
            architectures=["arm64"],
            handler="a.b",
            layers=[layer.arn],
            code=pulumi.AssetArchive({"a.py": pulumi.StringAsset("CODE")}),
            memory_size=settings["memory_mb"],
            reserved_concurrent_executions=settings.get("reserved_concurrency"),
            environment={"variables": {"TOKEN": pulumi.Output.secret("s3cr3t")}},
            opts=child,
        )
        queue = aws.sqs.Queue(name + "-queue", opts=child)
        aws.lambda_.EventSourceMapping(
            name + "-mapping", function_name=function.arn, event_source_arn=queue.arn,
            scaling_config={"maximum_concurrency": settings.get("maximum_concurrency", 5)}, opts=child,
        )
        self.register_outputs({})


Thing("embedding")
"""
DIGESTS = {"old": "a" * 64, "new": "b" * 64}


def write_checkout(
    folder: Path,
    *,
    digest: str = "old",
    code: str = "pass",
    unzipped: int = 44_200_000,
    extra: str = "",
    config: str = "memory_mb: 512",
) -> Path:
    """Write it; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Pulumi.yaml").write_text("name: strata\nruntime: python\n")
    lines = "".join(f"    {line}\n" for line in config.splitlines())
    (folder / "Pulumi.dev.yaml").write_text(
        f"config:\n  aws:region: eu-central-1\n  strata:key:\n    secure: v1:x:y\n  strata:embedding:\n{lines}"
    )
    program = PROGRAM.replace("DIGEST", DIGESTS[digest]).replace("CODE", code) + extra
    (folder / "__main__.py").write_text(program)
    entry = {
        "digest": DIGESTS[digest],
        "zip_bytes": unzipped // 3,
        "unzipped_bytes": unzipped,
        "distributions": {"openai": {"version": "3.54.0", "bytes": 20_000_000}, "six": {"version": "1", "bytes": 5}},
        "assets": {"tiktoken/x": 1_681_126},
    }
    layer = folder / "layer_builds" / "layers" / "openai"
    layer.mkdir(parents=True, exist_ok=True)
    (layer / "manifest.json").write_text(json.dumps({"python3.13-arm64": entry}))
    return folder
