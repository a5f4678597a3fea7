#!/usr/bin/env bash
# Everything the README's `npm test` promises: set-up, then the fast tests, then those on real parts.
# With arguments, runs jest on just those: `npm test -- test/unit/plan`.
set -euo pipefail
cd "$(dirname "$0")/.."

bash scripts/setup.sh
export NODE_OPTIONS="--experimental-vm-modules --disable-warning=ExperimentalWarning ${NODE_OPTIONS:-}"
mkdir -p test-results

if [ "$#" -gt 0 ]; then
  exec npx jest "$@"
fi

status=0
npx jest --selectProjects unit --json --outputFile=test-results/unit.json || status=1
# On real parts one file at a time: they share one Temporal, where each stack's worker takes every run.
npx jest --selectProjects integration --runInBand --json --outputFile=test-results/integration.json || status=1
node scripts/test-summary.mjs test-results/unit.json test-results/integration.json || status=1
exit "$status"
