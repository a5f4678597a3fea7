#!/usr/bin/env bash
# The sample stack by hand: one instance of it below a directory.
#
#   stack.sh layout ROOT   copies the projects to ROOT/pgdb, ROOT/mlopsnew, … with their .env files,
#                          makes the model cache, and creates the network
#   stack.sh up ROOT       starts everything in the guide's order, each healthy before the next,
#                          and fills PostgreSQL
#   stack.sh status ROOT   containers and their health
#   stack.sh down ROOT     removes containers, volumes and the network of this instance; not ROOT
#
# For layout, from the environment:
#   PREFIX    of container, volume and network names (hfdemo_)     RUN_ID   label value (demo)
#   BASE_PORT first of nine ports on 127.0.0.1; empty (the default): Docker chooses free ones
#   HF_MB     size of the model (64)    QDRANT_MB, AGENT_QDRANT_MB  size of the vectors (16, 8)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
command=${1:-}
root=${2:-}
if [[ -z $command || -z $root ]]; then
  sed -n '2,/^set -/{/^set -/!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
  exit 2
fi
model=home/prohorov/.cache/huggingface/hub/models--NightForger--saiga_nemo_12b-GPTQ

compose() {
  if docker compose version >/dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi
}

# in_project PROJECT COMPOSE-ARGS…
in_project() {
  local project=$1
  shift
  (cd "$root/$project" && compose "$@")
}

setting() {
  sed -n "s/^$1=//p" "$root/pgdb/.env"
}

port() {
  if [[ -n ${BASE_PORT:-} ]]; then echo "$((BASE_PORT + $1))"; fi
}

# write_env PROJECT LINES…
write_env() {
  local project=$1
  shift
  printf '%s\n' "COMPOSE_PROJECT_NAME=${prefix//[^a-z0-9_-]/}$project" "PREFIX=$prefix" "RUN_ID=$run_id" "$@" \
    >"$root/$project/.env"
}

layout() {
  local project
  prefix=${PREFIX:-hfdemo_}
  run_id=${RUN_ID:-demo}
  mkdir -p "$root"
  for project in pgdb mlopsnew agent webbot webbot2; do
    if [[ -e $root/$project ]]; then
      echo "stack: $root/$project exists already" >&2
      exit 1
    fi
    cp -r "$here/$project" "$root/$project"
  done
  mkdir "$root/pgdb/data"
  write_env pgdb "PG_PORT=$(port 0)" POSTGRES_PASSWORD=sample-postgres
  write_env mlopsnew COMPOSE_FILE=docker-compose.monitoring.yml:docker-compose.exporters.yml \
    "GRAFANA_PORT=$(port 1)" "PROMETHEUS_PORT=$(port 2)" "QDRANT_PORT=$(port 3)" "EXPORTER_PORT=$(port 4)" \
    "QDRANT_SEED_MB=${QDRANT_MB:-16}"
  write_env agent "AGENT_PORT=$(port 5)" "AGENT_QDRANT_PORT=$(port 6)" AGENT_DB_PASSWORD=sample-agent \
    "AGENT_QDRANT_SEED_MB=${AGENT_QDRANT_MB:-8}"
  write_env webbot "WEBBOT_PORT=$(port 7)"
  write_env webbot2 "WEBBOT2_PORT=$(port 8)"
  mkdir -p "$root/$(dirname "$model")"
  "$here/hf-cache.sh" "$root/$model" "${HF_MB:-64}"
  docker network create --label dev.holdfast.sample=1 --label "dev.holdfast.run=$run_id" "${prefix}ml" >/dev/null
}

# Where the image comes without a health check, as the one it stands in for: asked from outside.
health_of() {
  local service
  case $(docker inspect -f '{{if .State.Health}}{{.State.Health.Status}}{{end}}' "$1") in
    '') ;;
    healthy) return 0 ;;
    *) return 1 ;;
  esac
  service=$(docker inspect -f '{{index .Config.Labels "com.docker.compose.service"}}' "$1")
  case $service in
    grafana) docker exec "$1" http-ok 3000 /api/health ;;
    prometheus) docker exec "$1" http-ok 9090 /-/ready ;;
    qdrant | agent_qdrant) docker exec "$1" http-ok 6333 /readyz ;;
    agent-exporter) docker exec "$1" http-ok 9101 /metrics ;;
    *) return 1 ;;
  esac
}

wait_healthy() {
  local project=$1 ids id tries
  mapfile -t ids < <(docker ps -aq --filter "label=com.docker.compose.project=$(sed -n 's/^COMPOSE_PROJECT_NAME=//p' "$root/$project/.env")")
  for id in "${ids[@]}"; do
    for ((tries = 0; ; tries++)); do
      if health_of "$id" >/dev/null 2>&1; then break; fi
      if ((tries > 240)); then
        echo "stack: $project is not healthy after a minute:" >&2
        docker logs --tail 20 "$id" >&2
        exit 1
      fi
      sleep 0.25
    done
  done
  echo "$project: ${#ids[@]} healthy"
}

up() {
  local project
  for project in pgdb mlopsnew agent webbot webbot2; do
    in_project "$project" up -d >/dev/null 2>&1 || in_project "$project" up -d
    wait_healthy "$project"
    if [[ $project == pgdb ]]; then "$here/seed.sh" "$(setting PREFIX)ml_postgres"; fi
  done
}

# By label, so that what a run renamed or left half-made goes too, and nothing else does.
down() {
  local filter
  filter=label=dev.holdfast.run=$(setting RUN_ID)
  docker ps -aq --filter "$filter" | xargs -r docker rm -fv >/dev/null
  docker volume ls -q --filter "$filter" | xargs -r docker volume rm -f >/dev/null
  docker network ls -q --filter "$filter" | xargs -r docker network rm >/dev/null
}

case $command in
  layout | up | down) "$command" ;;
  status) docker ps -a --filter "label=dev.holdfast.run=$(setting RUN_ID)" --format 'table {{.Names}}\t{{.Status}}\t{{.Ports}}' ;;
  *)
    echo "stack: unknown command $command" >&2
    exit 2
    ;;
esac
