#!/usr/bin/env bash
# Download a run's artifact as the zip that it is, without unpacking it; refuse one that is too large.
# usage: fetch_artifact.sh RUN NAME FILE      needs gh, jq, GH_TOKEN and GITHUB_REPOSITORY
set -euo pipefail

run="$1" name="$2" file="$3"
largest=20000000 # bytes
[[ "$run" =~ ^[0-9]+$ ]] || { echo "not a run: ${run@Q}" >&2; exit 2; }
found="$(gh api -X GET "repos/$GITHUB_REPOSITORY/actions/runs/$run/artifacts" -f "name=$name")"
id="$(jq -r '.artifacts | first | .id // empty' <<<"$found")"
size="$(jq -r '.artifacts | first | .size_in_bytes // 0' <<<"$found")"
[[ "$id" =~ ^[0-9]+$ ]] || { echo "run $run has no artifact $name" >&2; exit 1; }
[ "$size" -le "$largest" ] || { echo "the artifact has $size bytes, more than $largest" >&2; exit 1; }
gh api "repos/$GITHUB_REPOSITORY/actions/artifacts/$id/zip" >"$file"
