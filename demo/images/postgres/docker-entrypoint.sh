#!/usr/bin/env bash
# Starts PostgreSQL like the official image's entrypoint does:
#   POSTGRES_PASSWORD (or POSTGRES_PASSWORD_FILE), POSTGRES_USER, POSTGRES_DB,
#   POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD, PGDATA, /docker-entrypoint-initdb.d/*
set -euo pipefail
shopt -s nullglob

die() {
  printf 'Error: %s\n' "$*" >&2
  exit 1
}

if [[ ${1:-postgres} == -* ]]; then
  set -- postgres "$@"
fi
if [[ ${1:-} != postgres ]]; then
  exec "$@"
fi

if [[ $(id -u) == 0 ]]; then
  # A bind mount made by the engine is an empty directory of root's.
  mkdir -p "$PGDATA" /var/run/postgresql
  find "$PGDATA" \! -user postgres -exec chown postgres:postgres {} +
  find /var/run/postgresql \! -user postgres -exec chown postgres:postgres {} +
  chmod 700 "$PGDATA"
  chmod 3777 /var/run/postgresql
  export HOME=/var/lib/postgresql
  exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
fi

run_init_files() {
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    printf '%s: running %s\n' "$0" "$file"
    case $file in
      *.sh)
        if [[ -x $file ]]; then
          "$file"
        else
          # shellcheck disable=SC1090
          . "$file"
        fi
        ;;
      *.sql) run_sql -f "$file" ;;
      *.sql.gz) gunzip -c "$file" | run_sql ;;
      *.sql.zst) zstd -dc "$file" | run_sql ;;
      *) printf '%s: ignoring %s\n' "$0" "$file" ;;
    esac
  done
}

run_sql() {
  PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" \
    --dbname "$POSTGRES_DB" --no-password --no-psqlrc "$@"
}

if [[ ! -s $PGDATA/PG_VERSION ]]; then
  if [[ -n ${POSTGRES_PASSWORD_FILE:-} ]]; then
    POSTGRES_PASSWORD=$(<"$POSTGRES_PASSWORD_FILE")
  fi
  POSTGRES_USER=${POSTGRES_USER:-postgres}
  POSTGRES_DB=${POSTGRES_DB:-$POSTGRES_USER}
  POSTGRES_HOST_AUTH_METHOD=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
  export POSTGRES_USER POSTGRES_DB
  if [[ -z ${POSTGRES_PASSWORD:-} && $POSTGRES_HOST_AUTH_METHOD != trust ]]; then
    die 'Database is uninitialized and superuser password is not specified: set POSTGRES_PASSWORD.'
  fi

  initdb_args=()
  if [[ -n ${POSTGRES_INITDB_ARGS:-} ]]; then
    read -r -a initdb_args <<<"$POSTGRES_INITDB_ARGS"
  fi
  # initdb's defaults give "trust" to the unix socket and to both loopback addresses.
  initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "${POSTGRES_PASSWORD:-}") "${initdb_args[@]}"
  printf '\nhost all all all %s\n' "$POSTGRES_HOST_AUTH_METHOD" >>"$PGDATA/pg_hba.conf"

  # The temporary server is reachable through the unix socket only, so that nobody takes the
  # half-made cluster for the real one. (A health check that asks the socket still does.)
  temporary=("${@:2}" -c "listen_addresses=" -p 5432)
  pg_ctl -D "$PGDATA" -o "$(printf '%q ' "${temporary[@]}")" -w start
  if [[ $POSTGRES_DB != postgres ]]; then
    createdb --username "$POSTGRES_USER" --maintenance-db postgres --no-password "$POSTGRES_DB"
  fi
  run_init_files
  pg_ctl -D "$PGDATA" -m fast -w stop
  unset PGPASSWORD
  printf '\nPostgreSQL init process complete; ready for start up.\n\n'
else
  printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
fi

exec "$@"
