#!/usr/bin/env bash
# The demo, from a machine with only Node: set-up first, then everything in demo/main.ts.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
exec node dist/demo/main.js "$@"
