#!/usr/bin/env bash
# Put a CPython that this machine lacks into .build/python, from Debian's packages: for tests on another Python, where
# neither uv nor pyenv can fetch one. Prints its path. Needs apt-get, patchelf and the project's environment (`make env`).
# Not for layers that are published: Debian's patch release moves.
set -euo pipefail
cd "$(dirname "$0")/.."
minor=${1:?usage: scripts/debian_python.sh 3.14}
link=.build/python/bin/python$minor
if ! "$link" -c '' 2>/dev/null; then
  architecture=$(.venv/bin/python -c 'from layer_builds.plan import host_architecture; print(host_architecture())')
  root=$(.venv/bin/python -m layer_builds qemu-root --runtime "python$minor" --architecture "$architecture")
  python=$root/usr/bin/python$minor
  loader=$(patchelf --print-interpreter "$python")
  # Its own loader and libraries, by absolute paths: an ordinary executable then, of which virtual environments can be made.
  patchelf --set-interpreter "$(readlink -f "$root$loader")" --force-rpath \
    --set-rpath "$(echo "$root"/usr/lib/*-linux-gnu)" "$python"
  "$python" -c ''
  mkdir -p .build/python/bin .build/python/lib
  # A virtual environment looks for its library beside the link.
  ln -sfn "$root/usr/lib/python$minor" ".build/python/lib/python$minor"
  ln -sfn "$python" "$link"
fi
echo "$PWD/$link"
