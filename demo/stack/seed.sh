#!/usr/bin/env bash
# seed.sh CONTAINER [SCALE]: fills the sample stack's PostgreSQL. SCALE 1 is about 300 000 rows.
# Does nothing when it has been filled before; fails when it was filled by half.
set -euo pipefail

container=${1:?usage: seed.sh CONTAINER [SCALE]}
scale=${2:-1}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

psql=(docker exec -i "$container" psql -X -q -v ON_ERROR_STOP=1 -U postgres -d postgres)

marker="SELECT coalesce((SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'webbot'), '')"
if [[ $("${psql[@]}" -At -c "$marker") == seeded* ]]; then
  echo 'already seeded'
  exit 0
fi
"${psql[@]}" -v "scale=$scale" -f - <"$here/seed.sql"
"${psql[@]}" -c "COMMENT ON DATABASE webbot IS 'seeded, scale $scale'"
