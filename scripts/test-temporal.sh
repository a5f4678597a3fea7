#!/usr/bin/env bash
# Brings docker-compose.temporal.yml up for real and runs backups with it. Not part of `npm test`:
# where Temporal's images can't be pulled its server is built first, which takes minutes, once.
#
#   scripts/test-temporal.sh [--no-build] [jest arguments]
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ ${1:-} == --no-build ]]; then
  shift
else
  bash scripts/temporal-server.sh >/dev/null
fi
bash scripts/setup.sh --quiet
export NODE_OPTIONS="--experimental-vm-modules --disable-warning=ExperimentalWarning ${NODE_OPTIONS:-}"
exec npx jest --selectProjects temporal --runInBand "$@"
