#!/usr/bin/env bash
# Make the arm64 twin of local_runtime_image.sh on a machine of another CPU: the Debian root that layers for arm64 are tried
# in, awslambdaric and boto3 for arm64, and qemu in front of Python. It is slow, and right: for tests of images for arm64.
# Needs root, qemu-aarch64-static, a running Docker engine, and `python -m layer_builds qemu-root --architecture arm64`.
set -euo pipefail
cd "$(dirname "$0")/.."
image=${1:-strata-runtime-local:python3.13-arm64}
if docker image inspect "$image" >/dev/null 2>&1; then
  echo "$image"
  exit
fi
{ read -r root; read -r runtime; } < <(.venv/bin/python -c '
from layer_builds.host import qemu
from layer_builds.host.interpreters import find_interpreter, target_runtime_root
from layer_builds.host.processes import Log, Processes
from layer_builds.plan import RUNTIMES, Target
target = Target("python3.13", "arm64")
print(qemu.root(target))
print(target_runtime_root(target, find_interpreter(RUNTIMES[target.runtime].compiler), Processes(Log())))')
[ -x "$root/usr/bin/python3.13" ] || { echo "no arm64 Python: .venv/bin/python -m layer_builds qemu-root --runtime python3.13 --architecture arm64" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
whole=$work/root
mkdir "$whole"
cp -a "$root/." "$whole"
mkdir -p "$whole/var/runtime" "$whole/var/task" "$whole/tmp" "$whole/proc" "$whole/dev" "$whole/sys"
chmod 1777 "$whole/tmp" # Docker gives a container's /tmp the mode that the image's has
cp -a "$runtime/." "$whole/var/runtime"
cp "$(command -v qemu-aarch64-static)" "$whole/qemu"
# As in local_runtime_image.sh.
cat >"$whole/var/runtime/bootstrap.py" <<'PYTHON'
import os
import sys

from awslambdaric.__main__ import main

version = f"python{sys.version_info.major}.{sys.version_info.minor}"
sys.path[:0] = [os.environ["LAMBDA_TASK_ROOT"], f"/opt/python/lib/{version}/site-packages", "/opt/python"]
os.environ["_HANDLER"] = sys.argv[1]
main(["awslambdaric", sys.argv[1]])
PYTHON
# An archive as `docker save` writes one: `docker import` would give it this machine's CPU. Graviton2 has the fewest instructions
# of Lambda's arm64.
mkdir "$work/image"
tar -C "$whole" -cf "$work/image/layer.tar" .
python3 - "$work/image" "$image" <<'PYTHON'
import hashlib
import json
import sys
from pathlib import Path

folder, image = Path(sys.argv[1]), sys.argv[2]
with (folder / "layer.tar").open("rb") as layer:
    digest = hashlib.file_digest(layer, "sha256").hexdigest()
python = ["/qemu", "-cpu", "neoverse-n1", "/usr/bin/python3.13", "-s", "-P", "-X", "utf8"]
variables = ["PATH=/usr/bin:/bin", "LANG=C.UTF-8", "LAMBDA_TASK_ROOT=/var/task", "LAMBDA_RUNTIME_DIR=/var/runtime"]
config = {
    "architecture": "arm64",
    "os": "linux",
    "config": {
        "Entrypoint": [*python, "/var/runtime/bootstrap.py"],
        "Env": [*variables, "PYTHONPATH=/var/runtime"],
        "WorkingDir": "/var/task",
    },
    "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
}
(folder / "config.json").write_text(json.dumps(config))
(folder / "manifest.json").write_text(json.dumps([{"Config": "config.json", "RepoTags": [image], "Layers": ["layer.tar"]}]))
PYTHON
tar -C "$work/image" -c . | docker load >&2
echo "$image"
