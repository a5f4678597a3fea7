/** Images that scripts/setup.sh makes. */

/** A minimal Debian: bash, coreutils, tar, zstd. */
export const BASE_IMAGE = 'holdfast-sample-base:latest';
/** PostgreSQL, started by its usual entry point. */
export const POSTGRES_IMAGE = 'holdfast-sample-postgres:latest';
