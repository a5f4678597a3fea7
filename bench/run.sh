#!/usr/bin/env bash
# The benchmark, from a machine with only Node: set-up first, then everything in bench/main.ts.
set -euo pipefail
cd "$(dirname "$0")/.."
setup=(--quiet)
for argument in "$@"; do
  case $argument in
    --publish | --publish=* | -h | --help) setup+=(--no-rivals) ;;
  esac
done
bash bench/setup.sh "${setup[@]}"
exec node dist/bench/main.js "$@"
