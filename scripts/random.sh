#!/usr/bin/env bash
# Random stacks: each backed up, wrecked, restored, undone and compared. A seed is always the same stack.
#
#   scripts/random.sh [--seeds N] [--from SEED] [--seed SEED] [--at-a-time N] [--list FILE]
#
#   --seeds N        how many, 10 by default
#   --from SEED      the first of them, 1 by default
#   --seed SEED      this one only
#   --at-a-time N    how many side by side, 2 by default
#   --list FILE      a line for each seed that ends is added to it: seed, outcome, seconds;
#                    what failed is told in FILE.failures
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/common.sh
. scripts/lib/common.sh

export RANDOM_SEEDS=10 RANDOM_FROM=1 RANDOM_LIST=
at_a_time=2
while [[ $# -gt 0 ]]; do
  case $1 in
    --seeds | --from | --seed | --at-a-time)
      [[ ${2:-} =~ ^[0-9]+$ ]] || die "$1 takes a whole number"
      case $1 in
        --seeds) RANDOM_SEEDS=$2 ;;
        --from) RANDOM_FROM=$2 ;;
        --seed) RANDOM_FROM=$2 RANDOM_SEEDS=1 ;;
        --at-a-time) at_a_time=$2 ;;
      esac
      shift
      ;;
    --list)
      [[ -n ${2:-} ]] || die "$1 takes a file"
      RANDOM_LIST=$(realpath -m -- "$2")
      shift
      ;;
    -h | --help)
      sed -n '2,/^set -/{/^set -/!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    *) die "unknown option $1" ;;
  esac
  shift
done

bash scripts/setup.sh --quiet
# With `=`: jest takes no project of this name otherwise.
NODE_OPTIONS="--experimental-vm-modules --disable-warning=ExperimentalWarning ${NODE_OPTIONS:-}" \
  npx jest --selectProjects=random --maxConcurrency="$at_a_time" --verbose
