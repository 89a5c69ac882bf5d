#!/usr/bin/env bash
# Put a comment on a pull request, in the place of the one that this repository's workflows left before.
# usage: post_comment.sh NUMBER FILE       needs gh, jq, GH_TOKEN and GITHUB_REPOSITORY
set -euo pipefail

number="$1" file="$2"
[[ "$number" =~ ^[0-9]+$ ]] || { echo "not a pull request's number: ${number@Q}" >&2; exit 2; }
marker="$(head -n 1 "$file")"
[[ "$marker" =~ ^\<!--\ strata-preview\ [A-Za-z0-9._/-]+\ --\>$ ]] || { echo "$file does not begin with a marker" >&2; exit 2; }

# Only a comment of the workflows' own user counts: anybody can write the marker.
existing="$(
  gh api --paginate "repos/$GITHUB_REPOSITORY/issues/$number/comments?per_page=100" |
    jq -rs --arg marker "$marker" '
      [.[][] | select(.user.login == "github-actions[bot]" and (.body | startswith($marker))) | .id] | first // empty'
)"
if [ -n "$existing" ]; then
  gh api --silent -X PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$existing" -F "body=@$file"
else
  gh api --silent -X POST "repos/$GITHUB_REPOSITORY/issues/$number/comments" -F "body=@$file"
fi
