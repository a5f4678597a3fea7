#!/bin/sh
# Makes Temporal's two databases in PostgreSQL and brings them to the version of these tools. As often
# as you like: what is there is kept. Before an upgrade of the server it runs with the new version.
#
# Environment: POSTGRES_HOST, POSTGRES_USER, POSTGRES_PASSWORD_FILE, and, where they are not the usual,
# POSTGRES_PORT (5432) and TEMPORAL_SCHEMA (/etc/temporal/schema/postgresql/v12)
set -eu

SQL_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
export SQL_PASSWORD
schema=${TEMPORAL_SCHEMA:-/etc/temporal/schema/postgresql/v12}

sql_tool() {
  temporal-sql-tool --plugin postgres12 --endpoint "$POSTGRES_HOST" --port "${POSTGRES_PORT:-5432}" \
    --user "$POSTGRES_USER" "$@"
}

# prepare DATABASE SCHEMA-DIRECTORY
prepare() {
  # Both leave a database alone that has its version table already.
  sql_tool --database "$1" create-database
  sql_tool --database "$1" setup-schema --version 0.0
  sql_tool --database "$1" update-schema --schema-dir "$schema/$2/versioned"
}

prepare temporal temporal
prepare temporal_visibility visibility
echo 'the databases are ready'
