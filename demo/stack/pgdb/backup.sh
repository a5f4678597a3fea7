#!/bin/bash
# The old nightly dump, kept because it lies in this directory on the real machine too.
docker exec ml_postgres pg_dumpall -U postgres > "/backups/pgdb/daily/data/pgdump_$(date +%Y%m%d_%H%M%S).sql"
