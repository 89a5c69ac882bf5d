"""Publishing a function's image: in the registry under its tag, built when it is not there.

The registry is a build cache, as the artifact bucket is for layers. Owns the order of the steps and what makes an
image the right one: its digest in a label, its CPU, its size. It never prints a credential, and makes no function.
"""

from __future__ import annotations

import base64
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layer_builds.host.folders import build_dir
from layer_builds.host.processes import Log, Processes
from layer_builds.plan import MAX_IMAGE_BYTES, LayerBuildError, image_digest, image_tag
from layer_builds.ship.account import aws_errors, checked_session
from layer_builds.ship.docker_engine import DockerEngine
from layer_builds.ship.image_folder import DIGEST_LABEL, make_folder
from layer_builds.ship.registry import Credentials, Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from layer_builds.build.finished import Builder
    from layer_builds.host.processes import Runner
    from layer_builds.plan import ImageSpec
    from layer_builds.ship.registry import StoredImage

IMAGES_VARIABLE = "STRATA_IMAGES"
"""Where a sandbox wants images' folders. With it neither Docker nor a registry is used."""


@dataclass(frozen=True, slots=True)
class PublishedImage:
    """Where an image is."""

    system: str
    repository: str
    tag: str
    digest: str
    """Of its manifest; empty in a sandbox."""
    bytes: int
    """Uncompressed, base included; 0 when it was there already."""
    built: bool
    pushed: bool

    def document(self) -> dict[str, Any]:
        """The one line that the command prints."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where an image goes, and as whom."""

    repository: str
    account: str
    """Twelve digits: the account of the stack, which the caller's credentials have to be of."""
    region: str
    profile: str | None = None


def publish_image(
    image: ImageSpec,
    base: str,
    tag: str,
    destination: Destination,
    *,
    builder: Builder = "native",
    compiler: str | None = None,
    progress: Callable[[str], None] | None = None,
    run: Runner | None = None,
) -> PublishedImage:
    """See to it that a registry holds an image.

    Args:
        image: Its parts.
        base: The base image, by its digest.
        tag: What the preview computed.
        destination: Where it goes.
        builder: Of its layers.
        compiler: CPython patch version for their bytecode; None is the pinned one.
        progress: Told what is being done.
        run: What starts Docker; None is the real one.

    Raises:
        LayerBuildError: the repository has changed since the preview; the account is another one; Docker or the
            registry cannot be reached; the tag is there with another image; or the build failed.
    """
    say: Callable[[str], None] = progress or (lambda _: None)
    digest = image_digest(image, base, compiler)
    if image_tag(digest) != tag:
        raise LayerBuildError(
            f"the image of {image.system} has the tag {image_tag(digest)} by now, and the preview computed {tag}: its "
            "code, layers or folders have changed since. Run `pulumi up` again"
        )
    publishing = _Publishing(image, digest, base, destination, run or _logged(tag))

    def folder(images: Path) -> Path:
        return make_folder(image, digest, base, images, builder=builder, compiler=compiler, progress=say)

    if images := os.environ.get(IMAGES_VARIABLE):
        folder(Path(images))
        return PublishedImage(image.system, destination.repository, tag, "", 0, built=True, pushed=False)
    return publishing.publish(folder, say)


def _logged(tag: str) -> Runner:
    return Processes(Log(build_dir() / f"image-{tag}.log"))


class _Publishing:
    """One image on its way."""

    def __init__(self, image: ImageSpec, digest: str, base: str, destination: Destination, run: Runner) -> None:
        self._image = image
        self._digest = digest
        self._base = base
        self._destination = destination
        self._engine = DockerEngine(run)
        self._tag = image_tag(digest)
        self._reference = f"{destination.repository}:{self._tag}"

    def publish(self, folder: Callable[[Path], Path], say: Callable[[str], None]) -> PublishedImage:
        """Look, build, push, look again."""
        credentials = self._credentials()
        registry = Registry(self._destination.repository, credentials)
        say(f"{self._image.system}: look for {self._tag[:12]} in {self._destination.repository}")
        stored = registry.image(self._tag)
        if stored is not None:
            return self._published(stored, 0, pushed=False)
        self._engine.check()
        made = folder(build_dir() / "images")
        say(f"{self._image.system}: build on {self._base}")
        self._engine.build(made, self._reference, self._image.target, self._base)
        size = self._checked_size()
        say(f"{self._image.system}: push {size / 1e6:.0f} MB to {self._destination.repository}")
        try:
            self._engine.push(self._reference, credentials)
        except LayerBuildError:
            # An immutable tag that somebody else has pushed meanwhile.
            stored = None
            with suppress(LayerBuildError):
                stored = registry.image(self._tag)
            if stored is None:
                raise
        stored = stored or registry.image(self._tag)
        if stored is None:
            raise LayerBuildError(f"{self._reference} was pushed, and the registry does not have it: run it again")
        return self._published(stored, size, pushed=True)

    def _credentials(self) -> Credentials:
        where = self._destination
        with aws_errors(f"publishing the image of {self._image.system} to {where.repository} in {where.region}"):
            session, config = checked_session(where.profile, where.region, where.account)
            answer = session.client("ecr", config=config).get_authorization_token()
            token = str(answer["authorizationData"][0]["authorizationToken"])
        user, _, password = base64.b64decode(token).decode().partition(":")
        return Credentials(user, password)

    def _checked_size(self) -> int:
        platform, size = self._engine.describe(self._reference)
        if platform != self._image.target.platform:
            raise LayerBuildError(
                f"the base image {self._base} is for {platform}, and the function runs on "
                f"{self._image.target.platform}: set strata:images.bases to the digest of an image for that CPU, "
                "or of the index of both (`python -m ops images pin` does)"
            )
        if size > MAX_IMAGE_BYTES:
            raise LayerBuildError(
                f"the image of {self._image.system} is {size:,} bytes with its base, and Lambda takes "
                f"{MAX_IMAGE_BYTES:,}: nothing was pushed. Take a smaller model, or leave out packages"
            )
        return size

    def _published(self, stored: StoredImage, size: int, *, pushed: bool) -> PublishedImage:
        """Refuse what is behind the tag when it is not this image."""
        wrong = None
        if stored.is_index:
            wrong = "an index of several images, which Lambda does not take"
        elif stored.labels.get(DIGEST_LABEL) != self._digest:
            wrong = "another image: its label `strata.digest` is not of these inputs"
        elif stored.platform != self._image.target.platform:
            wrong = f"an image for {stored.platform}, and the function runs on {self._image.target.platform}"
        if wrong is not None:
            raise LayerBuildError(
                f"{self._reference} is {wrong}. Tags are immutable here, so something else has pushed it: delete that "
                f"tag from the repository (`aws ecr batch-delete-image`) and run `pulumi up` again"
            )
        return PublishedImage(
            self._image.system,
            self._destination.repository,
            self._tag,
            stored.digest,
            size,
            built=pushed,
            pushed=pushed,
        )
