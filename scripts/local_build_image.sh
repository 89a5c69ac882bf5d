#!/usr/bin/env bash
# Make a Docker image to build layers in, where AWS's build image cannot be pulled: Debian with a C compiler and the
# interpreter that compiles the newest runtime's bytecode. For tests of the docker builder; layers for AWS are built in AWS's.
# Needs root, debootstrap and a running Docker engine. Prints the image's name, for STRATA_BUILD_IMAGE.
set -euo pipefail
cd "$(dirname "$0")/.."
image=${1:-strata-build-local:python3.13}
if docker image inspect "$image" >/dev/null 2>&1; then
  echo "$image"
  exit
fi
interpreter=$(.venv/bin/python -c 'from layer_builds.host.interpreters import find_interpreter; from layer_builds.plan import RUNTIMES; print(find_interpreter(RUNTIMES["python3.13"].compiler))')
home=$(dirname "$(dirname "$(readlink -f "$interpreter")")")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include=ca-certificates,gcc,libc6-dev,libssl3,libffi8,libsqlite3-0,zlib1g,libbz2-1.0,liblzma5,libreadline8 \
  bookworm "$root" >&2
# At its own path: an interpreter finds its library by it.
mkdir -p "$root$(dirname "$home")"
cp -a "$home" "$root$home"
ln -s "$interpreter" "$root/usr/local/bin/python3.13"
ln -s python3.13 "$root/usr/local/bin/python3"
tar -C "$root" -c . | docker import - "$image" >&2
echo "$image"
