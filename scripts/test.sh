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
# On real parts most of the time is waiting: for containers to become healthy, for time-outs. Two files
# at a time fill two cores; each has stacks, names and ports of its own, and all share one Temporal.
npx jest --selectProjects integration --maxWorkers=2 --json --outputFile=test-results/integration.json || status=1
# The rest of the table: npm run test:matrix.
bash scripts/matrix.sh --newest --json test-results || status=1
node scripts/test-summary.mjs test-results/{unit,integration,matrix-newest}.json || status=1
exit "$status"
