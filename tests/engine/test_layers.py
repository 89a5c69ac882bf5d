"""What a change of one layer does to a stack, and what a build that fails does not do to it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from components.systems import SYSTEMS
from layer_builds.plan import Target, layer_digest, load_layer
from tests.engine.machine import local_target
from tests.engine.steps import step

if TYPE_CHECKING:
    from tests.engine.pulumi_cli import Checkout, Run

STACK = "layers"
PACKAGES = {"left": "packaging==25.0", "right": "iniconfig==2.0.0"}
NEW_PACKAGE = "packaging==24.2"
SMOKE = "import {package}\n\n\ndef smoke():\n    return {{}}\n"
OTHER_HASH = "0" * 64


@dataclass
class Story:
    """Steps that build upon each other; each is taken once, when the first test asks for it."""

    checkout: Checkout
    target: Target

    @property
    def layers(self) -> Path:
        return self.checkout.path / "layer_builds" / "layers"

    def write_layer(self, name: str) -> None:
        folder = self.layers / f"engine-{name}"
        folder.mkdir()
        (folder / "layer.toml").write_text('bytecode = "none"\nsmoke = "smoke.py"\n')
        (folder / "smoke.py").write_text(SMOKE.format(package=PACKAGES[name].partition("==")[0]))
        self.require(name, PACKAGES[name])

    def require(self, name: str, requirement: str) -> None:
        """Change what a layer holds, as a developer does: requirements, lock, manifest."""
        (self.layers / f"engine-{name}" / "requirements.in").write_text(f"{requirement}\n")
        which = (f"engine-{name}", "--runtime", self.target.runtime, "--architecture", self.target.architecture)
        self.checkout.python("layer_builds", "lock", *which).ok()
        self.checkout.python("layer_builds", "build", *which).ok()

    def forget_builds(self) -> None:
        """Be another machine: it has the commit, and built nothing."""
        shutil.rmtree(self.checkout.path / ".build" / "layers")

    def outputs(self) -> dict[str, Any]:
        return self.checkout.outputs(STACK)

    def deployed(self) -> dict[str, Any]:
        """What AWS says of both functions."""
        client = self.checkout.account.client("lambda")
        found: dict[str, Any] = {}
        for name, function in self.outputs()["functions"].items():
            live = client.get_function_configuration(FunctionName=function["name"], Qualifier="live")
            keys = ("Version", "CodeSha256", "Layers", "RevisionId", "LastModified")
            found[name] = {key: live.get(key) for key in keys}
        return found

    def versions(self, layer: str) -> set[int]:
        """The versions of a layer that AWS has."""
        found = self.checkout.account.client("lambda").list_layer_versions(LayerName=layer)
        return {int(one["Version"]) for one in found["LayerVersions"]}

    def up(self) -> Run:
        return self.checkout.pulumi("up", "--yes", "--skip-preview", "--stack", STACK)

    @step
    def first(self) -> dict[str, Any]:
        for name in PACKAGES:
            self.write_layer(name)
        shutil.copy(Path(__file__).with_name("two_functions.py"), self.checkout.path / "__main__.py")
        for name in PACKAGES:
            handler = self.checkout.path / "lambdas" / name / "handler.py"
            handler.parent.mkdir()
            handler.write_text("def handler(event, context):\n    return event\n")
        config = {"runtime": self.target.runtime, "architecture": self.target.architecture}
        sections: dict[str, Any] = {f"strata:{name}": config for name in PACKAGES}
        sections |= {f"strata:{name}": None for name in SYSTEMS}
        self.checkout.stack(STACK, {**sections, "strata:layers": {"compiler": "pinned"}})
        self.up().ok()
        return self.deployed()

    @step
    def before_failure(self) -> dict[str, Any]:
        """After the first up, and after the change of a lock, whichever of them there was."""
        return self.first and self.deployed()

    @step
    def failure(self) -> Run:
        """An up whose layer cannot be built: the lock names a file that the index does not have."""
        _ = self.before_failure
        layer = load_layer("engine-left", root=self.layers)
        lock, manifest = layer.lock_path(self.target), layer.manifest_path
        kept = {path: path.read_bytes() for path in (lock, manifest)}
        text = lock.read_text()
        wheel = text.rpartition("sha256:")[2].split()[0]
        lock.write_text(text.replace(wheel, OTHER_HASH))
        entries = json.loads(manifest.read_text())
        entries[str(self.target)]["digest"] = layer_digest(layer, self.target)
        manifest.write_text(json.dumps(entries))
        try:
            return self.up().failed()
        finally:
            for path, content in kept.items():
                path.write_bytes(content)


def diagnostics(run: Run, kind: str) -> list[str]:
    """The lines that Pulumi shows at the end for resources of one type."""
    told = run.output.partition("Diagnostics:\n")[2].splitlines()
    lines: list[str] = []
    inside = False
    for line in told:
        if not line.startswith(" "):  # Outputs:, Resources:
            if line:
                break
            continue
        if line.startswith("  ") and not line.startswith("   "):
            inside = kind in line
        elif inside and line.strip():
            lines.append(line.strip())
    return lines


@pytest.fixture(scope="module")
def story(checkout: Checkout) -> Story:
    return Story(checkout, local_target())


def test_a_lock_change_builds_one_layer_and_moves_only_the_function_that_uses_it(story: Story) -> None:
    before, outputs = story.first, story.outputs()
    story.require("left", NEW_PACKAGE)
    story.forget_builds()
    run = story.up().ok()

    tag = story.target.tag.replace("_", "-")
    replaced = {"create-replacement", "replace", "delete-replaced"}
    assert run.changed == {
        f"engine-left-{tag}-publish": replaced,
        f"engine-left-{tag}-version": replaced,
        "left-function": {"update"},
        "left-live": {"update"},
    }
    after, new = story.deployed(), story.outputs()
    assert after["right"] == before["right"]
    assert after["left"]["Version"] == "2"
    assert [layer["Arn"] for layer in after["left"]["Layers"]] == [new["layers"]["engine-left"]["arn"]]
    assert new["layers"]["engine-left"]["arn"].endswith(":2")
    assert new["layers"]["engine-right"] == outputs["layers"]["engine-right"]
    built = [path.name for path in (story.checkout.path / ".build" / "layers").glob("*.zip")]
    assert built == [f"{new['layers']['engine-left']['digest']}.zip"]


def test_the_next_preview_shows_no_change(story: Story) -> None:
    assert story.first
    run = story.checkout.pulumi("preview", "--expect-no-changes", "--stack", STACK).ok()
    assert run.changed == {}


def test_a_failed_build_leaves_the_running_functions_as_they_were(story: Story) -> None:
    assert story.failure.code != 0
    assert story.deployed() == story.before_failure
    assert set(story.failure.changed) <= {f"engine-left-{story.target.tag.replace('_', '-')}-publish"}


def test_a_failed_build_says_what_failed_in_20_lines_and_where_the_log_is(story: Story) -> None:
    told = diagnostics(story.failure, "command:local:Command")
    ours = told[told.index(next(line for line in told if "exit status 1" in line)) + 1 :]

    assert 0 < len(ours) <= 20, "\n".join(told)
    assert any("packaging" in line for line in ours), "the package is not named"
    assert not any("Traceback" in line for line in told)
    log = Path(next(line for line in ours if "The full log:" in line).partition("The full log:")[2].strip())
    assert OTHER_HASH in log.read_text()


def test_with_the_lock_mended_the_stack_is_as_it_was(story: Story) -> None:
    assert story.failure.code != 0
    run = story.checkout.pulumi("preview", "--expect-no-changes", "--stack", STACK).ok()
    assert run.changed == {}


def test_a_lost_artifact_is_found_and_published_again_and_one_of_other_bytes_is_not_overwritten(story: Story) -> None:
    """A layer version would have been made from a key that is gone, since nothing in the program had changed."""
    assert story.first
    layer, s3 = story.outputs()["layers"]["engine-left"], story.checkout.account.client("s3")
    where = {"Bucket": layer["bucket"], "Key": layer["key"]}
    before = s3.head_object(**where, ChecksumMode="ENABLED")["ChecksumSHA256"]
    s3.delete_object(**where)
    assert story.checkout.pulumi("preview", "--expect-no-changes", "--stack", STACK).ok().changed == {}
    found = story.checkout.python("ops", "doctor", "--stack", STACK, "--only", "artifacts", "--json").ok()
    [lost] = [check for check in json.loads(found.stdout)["checks"] if check["state"] == "warn"]
    assert lost["check"] == f"artifact of {layer['name']}"
    publish = lost["remedy"].strip("`").split()[2:]
    s3.put_object(**where, Body=b"somebody else's")
    refused = story.checkout.python(*publish).failed()
    assert "a published artifact is never overwritten" in refused.output
    assert s3.get_object(**where)["Body"].read() == b"somebody else's"
    s3.delete_object(**where)
    assert json.loads(story.checkout.python(*publish).ok().stdout)["uploaded"]
    assert s3.head_object(**where, ChecksumMode="ENABLED")["ChecksumSHA256"] == before


def test_a_version_that_is_made_again_is_made_of_an_artifact_that_is_there(story: Story) -> None:
    """The triggers of the Command that publishes had not changed, so a version was made from a key that was gone."""
    assert story.first
    layer, account = story.outputs()["layers"]["engine-left"], story.checkout.account
    where, number = {"Bucket": layer["bucket"], "Key": layer["key"]}, int(layer["arn"].rpartition(":")[2])
    account.client("lambda").delete_layer_version(LayerName=layer["name"], VersionNumber=number)
    account.client("s3").delete_object(**where)
    story.checkout.pulumi("refresh", "--yes", "--skip-preview", "--stack", STACK).ok()
    run = story.up().ok()
    tag = story.target.tag.replace("_", "-")
    assert run.changed == {
        f"engine-left-{tag}-version": {"create"},
        "left-function": {"update"},
        "left-live": {"update"},
    }
    assert account.client("s3").head_object(**where)["ContentLength"] > 0
    assert story.outputs()["layers"]["engine-left"]["arn"] != layer["arn"]


def test_versions_are_kept_once_config_says_so(story: Story) -> None:
    """Turning it on replaces nothing; as `skip_destroy` it deleted the version that was to be kept."""
    assert story.first
    name = str(story.outputs()["layers"]["engine-left"]["name"])
    story.checkout.pulumi("config", "set", "--path", "strata:layers.keep_versions", "true", "--stack", STACK).ok()
    before = story.versions(name)
    assert story.up().ok().changed == {}
    story.require("left", PACKAGES["left"])
    story.up().ok()
    assert len(before) == 1
    assert len(story.versions(name)) == 2
    assert before < story.versions(name)


def test_its_functions_can_be_destroyed(story: Story) -> None:
    assert story.first
    story.checkout.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK).ok()
