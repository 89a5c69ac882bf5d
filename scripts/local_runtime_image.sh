#!/usr/bin/env bash
# Make a Docker image that stands in for Lambda's base image of python3.13, where AWS's cannot be pulled: Debian, CPython,
# awslambdaric and boto3 from the index, and a start that looks for code and layers where AWS's does. For tests of container
# images; functions for AWS are built on AWS's. Needs what local_build_image.sh needs. Prints the image's name.
set -euo pipefail
cd "$(dirname "$0")/.."
image=${1:-strata-runtime-local:python3.13}
if docker image inspect "$image" >/dev/null 2>&1; then
  echo "$image"
  exit
fi
build=$(scripts/local_build_image.sh)
runtime=$(.venv/bin/python -c 'from layer_builds.host.interpreters import find_interpreter, runtime_root; from layer_builds.plan import RUNTIMES; print(runtime_root(find_interpreter(RUNTIMES["python3.13"].compiler)))')
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir "$context/runtime"
cp -a "$runtime/." "$context/runtime"
# What /var/runtime/bootstrap.py does in AWS's image.
cat >"$context/runtime/bootstrap.py" <<'PYTHON'
import os
import sys

from awslambdaric.__main__ import main

version = f"python{sys.version_info.major}.{sys.version_info.minor}"
sys.path[:0] = [os.environ["LAMBDA_TASK_ROOT"], f"/opt/python/lib/{version}/site-packages", "/opt/python"]
main(["awslambdaric", sys.argv[1]])
PYTHON
cat >"$context/lambda-entrypoint.sh" <<'SHELL'
#!/bin/sh
export _HANDLER="$1"
exec python3.13 -s -P -X utf8 /var/runtime/bootstrap.py "$1"
SHELL
chmod 755 "$context/lambda-entrypoint.sh"
# Without what only builds: it is pushed to a registry. Lambda runs functions as a user of its own, and the interpreter may
# be below /root.
cat >"$context/Dockerfile" <<DOCKERFILE
FROM $build AS whole
RUN home=\$(dirname "\$(dirname "\$(readlink -f /usr/local/bin/python3.13)")") && chmod a+x /root && rm -rf /usr/lib/gcc \
  /usr/libexec/gcc /usr/share/doc /usr/share/locale /usr/share/man /var/cache/apt /var/lib/apt/lists /usr/lib/*/perl* \
  "\$home"/lib/*.a "\$home"/lib/python3.13/config-* "\$home"/lib/python3.13/test "\$home"/lib/python3.13/idlelib \
  "\$home"/lib/python3.13/site-packages
FROM scratch
COPY --from=whole / /
COPY runtime /var/runtime
COPY lambda-entrypoint.sh /
ENV PATH=/usr/local/bin:/usr/bin:/bin LANG=en_US.UTF-8 TZ=:/etc/localtime LAMBDA_TASK_ROOT=/var/task \
  LAMBDA_RUNTIME_DIR=/var/runtime PYTHONPATH=/var/runtime
WORKDIR /var/task
ENTRYPOINT ["/lambda-entrypoint.sh"]
DOCKERFILE
DOCKER_BUILDKIT=0 docker build --quiet --tag "$image" "$context" >&2
echo "$image"
