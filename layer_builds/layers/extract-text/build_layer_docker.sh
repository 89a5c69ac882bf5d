#!/usr/bin/env bash
# Builds this folder's layer in Docker, with the one builder: `./build_layer_docker.sh [--runtime python3.13]
# [--architecture arm64] [--all]`. The same bytes come without Docker from `python -m layer_builds build`; Docker is needed
# for packages that are built from source. This file is the same in every layer's folder.
set -euo pipefail

# Git Bash on Windows would turn the container's paths (/strata-out) into C:/Program Files/Git/strata-out.
export MSYS_NO_PATHCONV=1 MSYS2_ARG_CONV_EXCL='*'

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)"
layer="$(basename "$here")"
cd "$here/../../.."

python=.venv/bin/python
[ -x "$python" ] || python=.venv/Scripts/python.exe
if [ ! -x "$python" ]; then
  echo "there is no environment yet: run \`make env\` in $PWD" >&2
  exit 1
fi
if ! docker version --format '{{.Server.Version}}' >/dev/null 2>&1; then
  echo "Docker is not running: start it, or build without it: python -m layer_builds build $layer" >&2
  exit 1
fi

# Clean, build and zip (the builder's own folders are gone when it ends, however it ends), then check as a stranger would.
rm -f ".build/dist/$layer"-*.zip
"$python" -m layer_builds build "$layer" --builder docker --force "$@"
"$python" -m layer_builds verify "$layer" "$@"
mkdir -p .build/dist
"$python" -m layer_builds digest "$layer" "$@" | tr -d '\r' | while read -r digest name target; do
  cp ".build/layers/$digest.zip" ".build/dist/$name-$target.zip"
  echo "$PWD/.build/dist/$name-$target.zip"
done
