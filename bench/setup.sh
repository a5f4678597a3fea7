#!/usr/bin/env bash
# What the benchmark needs beside Node: npm packages, GNU tar, zstd, restic, borg and the build. On Debian
# and its descendants it installs what is missing. No Docker, no Temporal; not part of scripts/setup.sh.
#
#   bench/setup.sh [--no-rivals] [--quiet]
#
#   --no-rivals  leave out restic and borg
set -euo pipefail

quiet=0
rivals=1
for argument in "$@"; do
  case $argument in
    --no-rivals) rivals=0 ;;
    --quiet) quiet=1 ;;
    *)
      printf 'bench/setup: unknown option %s\n' "$argument" >&2
      exit 2
      ;;
  esac
done

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/common.sh
. scripts/lib/common.sh
# shellcheck source=scripts/lib/npm.sh
. scripts/lib/npm.sh
# shellcheck source=scripts/lib/system.sh
. scripts/lib/system.sh

# The same lock as scripts/setup.sh: both install and build.
if have flock; then
  mkdir -p "$(state_dir)"
  exec 9>"$(state_dir)/setup.lock"
  flock -w 1800 9 || die 'another set-up has been running for half an hour' "see: fuser $(state_dir)/setup.lock"
fi

packages_wanted() {
  tar --version 2>/dev/null | grep -q 'GNU tar' || echo tar
  have zstd || echo zstd
  have getfattr || echo attr
  if [[ $rivals == 1 ]]; then
    have restic || echo restic
    have borg || echo borgbackup
  fi
}

# Without asking for Docker, which setup_packages does first.
docker_answered=1

check_node
setup_npm
setup_packages
setup_build
