#!/usr/bin/env bash
# Find the open pull request of a fork's branch that is at this very commit, and set the step's output `number`.
# Empty when there is none: closed, or pushed to since. `workflow_run.pull_requests` is always empty for forks.
# usage: find_pull_request.sh OWNER BRANCH SHA      needs gh, jq, GH_TOKEN, GITHUB_REPOSITORY, GITHUB_OUTPUT
set -euo pipefail

owner="$1" branch="$2" sha="$3"
[[ "$sha" =~ ^[0-9a-f]{40}$ ]] || { echo "not a commit: ${sha@Q}" >&2; exit 2; }
number="$(
  gh api -X GET "repos/$GITHUB_REPOSITORY/pulls" -f state=open -f "head=$owner:$branch" -F per_page=100 |
    jq -r --arg sha "$sha" '[.[] | select(.head.sha == $sha) | .number] | first // empty'
)"
[[ "$number" =~ ^[0-9]*$ ]] || { echo "GitHub answered no number" >&2; exit 1; }
[ -n "$number" ] || echo "no open pull request is at $sha; nothing to comment on"
echo "number=$number" >> "$GITHUB_OUTPUT"
