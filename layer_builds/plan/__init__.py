"""What a preview may load: declarations, locks, digests, manifests and budgets, read from committed files.

The standard library only; no process, no network, no other room of the builder.
"""

from __future__ import annotations

from layer_builds.plan.budget import Contents, check_function_budget, check_image_budget, largest
from layer_builds.plan.code_files import SUFFIXES, read_code, root_files
from layer_builds.plan.digest import FORMAT, checked_compiler, digest_inputs, layer_digest
from layer_builds.plan.errors import LayerBuildError, OtherBytesError
from layer_builds.plan.folders import LISTING, Folder, ListedFile, ListedFolder, listing, read_folder
from layer_builds.plan.image import ImageSpec, check_image, image_digest, image_tag, read_image
from layer_builds.plan.layers import joined_layers, layer_names, layers_before, load_layer
from layer_builds.plan.limits import MAX_IMAGE_BYTES, MAX_LAYERS, MAX_UNZIPPED_BYTES
from layer_builds.plan.local import LocalPackage
from layer_builds.plan.locks import Lock, Pin, load_lock, load_modules, lock_inputs, locked_targets, modules_text
from layer_builds.plan.manifest import (
    Distribution,
    Manifest,
    ManifestEntry,
    build_command,
    committed_entry,
    load_manifest,
    parse_entry,
)
from layer_builds.plan.names import is_plain_path, normal_name
from layer_builds.plan.paths import LAYERS_DIR, REPOSITORY, artifact_key
from layer_builds.plan.requirements import Requirement, map_lines, requirements_text
from layer_builds.plan.spec import Asset, LayerSpec
from layer_builds.plan.targets import (
    ALL_TARGETS,
    ARCHITECTURES,
    DEFAULT_RUNTIME,
    REFUSED_RUNTIMES,
    RUNTIMES,
    Runtime,
    Target,
    host_architecture,
)

__all__ = [
    "ALL_TARGETS",
    "ARCHITECTURES",
    "DEFAULT_RUNTIME",
    "FORMAT",
    "LAYERS_DIR",
    "LISTING",
    "MAX_IMAGE_BYTES",
    "MAX_LAYERS",
    "MAX_UNZIPPED_BYTES",
    "REFUSED_RUNTIMES",
    "REPOSITORY",
    "RUNTIMES",
    "SUFFIXES",
    "Asset",
    "Contents",
    "Distribution",
    "Folder",
    "ImageSpec",
    "LayerBuildError",
    "LayerSpec",
    "ListedFile",
    "ListedFolder",
    "LocalPackage",
    "Lock",
    "Manifest",
    "ManifestEntry",
    "OtherBytesError",
    "Pin",
    "Requirement",
    "Runtime",
    "Target",
    "artifact_key",
    "build_command",
    "check_function_budget",
    "check_image",
    "check_image_budget",
    "checked_compiler",
    "committed_entry",
    "digest_inputs",
    "host_architecture",
    "image_digest",
    "image_tag",
    "is_plain_path",
    "joined_layers",
    "largest",
    "layer_digest",
    "layer_names",
    "layers_before",
    "listing",
    "load_layer",
    "load_lock",
    "load_manifest",
    "load_modules",
    "lock_inputs",
    "locked_targets",
    "map_lines",
    "modules_text",
    "normal_name",
    "parse_entry",
    "read_code",
    "read_folder",
    "read_image",
    "requirements_text",
    "root_files",
]
