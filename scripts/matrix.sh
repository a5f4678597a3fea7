#!/usr/bin/env bash
# The main job from end to end on other versions of Docker, Compose, PostgreSQL and Node.js than the
# machine's own: each row is a journey through test/matrix on an engine of its own.
#
#   scripts/matrix.sh [--newest] [--json DIRECTORY] [ROW…]
#
#   --newest  the newest of everything only
#   --json    jest's results, a file a row, go into this directory
#
# Downloads what is missing and unpacks it beside the machine's own packages, which stay as they are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/common.sh
. scripts/lib/common.sh
# shellcheck source=scripts/lib/system.sh
. scripts/lib/system.sh
# shellcheck source=scripts/lib/temporal.sh
. scripts/lib/temporal.sh
# shellcheck source=scripts/lib/images.sh
. scripts/lib/images.sh
# shellcheck source=scripts/lib/versions.sh
. scripts/lib/versions.sh

# row  engine (Debian)  compose  node  postgres  a newer postgres to cross to
rows='
oldest   bookworm  v1  20  13  15
pg16     bookworm  v2  22  16  17
mixed    trixie    v2  22  15  -
newest   trixie    v2  24  17  -
'

results=
wanted=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --newest) wanted+=(newest) ;;
    --json)
      results=$2
      shift
      ;;
    -h | --help)
      sed -n '2,/^set -/{/^set -/!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    -*) die "unknown option $1" ;;
    *) wanted+=("$1") ;;
  esac
  shift
done

bash scripts/setup.sh --quiet
mkdir -p "$(versions_dir)"
# Two at once would unpack over each other.
exec 9>"$(versions_dir)/lock"
flock -w 1800 9 || die 'another run has been preparing versions for half an hour'

is_wanted() {
  local one
  [[ ${#wanted[@]} == 0 ]] && return 0
  for one in "${wanted[@]}"; do [[ $one == "$1" ]] && return 0; done
  return 1
}

# journey ROW ENGINE COMPOSE NODE POSTGRES OTHER
journey() {
  local row=$1 engine=$2 compose=$3 node=$4 postgres=$5 other=$6 dir arguments=()
  export MATRIX_ENGINE= MATRIX_ENGINE_VERSION=20.10 MATRIX_COMPOSE=docker-compose MATRIX_COMPOSE_VERSION=1.29
  export MATRIX_POSTGRES MATRIX_POSTGRES_VERSION=$postgres MATRIX_OTHER_POSTGRES= HOLDFAST_TEST_NODE
  if [[ $engine != bookworm ]]; then
    dir=$(engine_dir "$engine") || return 1
    MATRIX_ENGINE=$dir/usr/sbin:$dir/usr/bin
    MATRIX_ENGINE_VERSION=26.1
  fi
  if [[ $compose == v2 ]]; then
    dir=$(compose_dir trixie) || return 1
    MATRIX_COMPOSE=$dir/usr/libexec/docker/cli-plugins/docker-compose
    MATRIX_COMPOSE_VERSION=2.26
  fi
  HOLDFAST_TEST_NODE=
  if [[ $node == 20 ]]; then unset HOLDFAST_TEST_NODE; else HOLDFAST_TEST_NODE=$(node_dir "$node")/node || return 1; fi
  MATRIX_POSTGRES=$(postgres_image "$postgres") || return 1
  if [[ $other != - ]]; then MATRIX_OTHER_POSTGRES=$(postgres_image "$other") || return 1; fi
  say matrix "$row: Engine $MATRIX_ENGINE_VERSION, Compose $MATRIX_COMPOSE_VERSION, Node.js $node, PostgreSQL $postgres"
  if [[ -n $results ]]; then arguments+=(--json "--outputFile=$results/matrix-$row.json"); fi
  NODE_OPTIONS="--experimental-vm-modules --disable-warning=ExperimentalWarning ${NODE_OPTIONS:-}" \
    npx jest --selectProjects matrix "${arguments[@]}" 9>&-
}

status=0
while read -r row engine compose node postgres other; do
  [[ -n $row ]] && is_wanted "$row" || continue
  # A row that can't be prepared must not keep the others from running.
  (journey "$row" "$engine" "$compose" "$node" "$postgres" "$other" </dev/null) || {
    printf 'matrix: the row %s failed\n' "$row" >&2
    status=1
  }
done <<<"$rows"
exit "$status"
