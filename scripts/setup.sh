#!/usr/bin/env bash
# Makes a machine ready to build, test and demonstrate Holdfast. Run it as often as you like:
# each step is skipped when there is nothing to do, and then all of it takes about a second.
#
#   scripts/setup.sh [--no-images] [--quiet] [--check]
#
#   --no-images  leave out the sample images (they are for the tests and the demo only)
#   --quiet      say nothing unless something goes wrong
#   --check      change nothing; report what is missing and exit 1 if anything is
#
# Steps: npm packages · Debian packages · a Docker engine that answers · the temporal binary ·
#        sample images · the build.
#
# Needs Node.js >= 20.19 with npm; on Debian and its descendants it installs the rest, as root
# or with sudo. Nothing is written to the work tree but node_modules and dist.
#
# Environment:
#   HOLDFAST_TOOLS          where the temporal binary goes, in bin/ (~/.local/share/holdfast)
#   TEMPORAL_CLI            a temporal binary to use instead
#   HOLDFAST_PULL=0         do not try to pull public images as a base
#   HOLDFAST_DOCKERD_ARGS   extra arguments for a dockerd this script starts by hand
set -euo pipefail

usage() {
  sed -n '2,/^set -/{/^set -/!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
}

check=0
quiet=0
images=1
for argument in "$@"; do
  case $argument in
    --no-images) images=0 ;;
    --quiet) quiet=1 ;;
    --check) check=1 ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      printf 'setup: unknown option %s\n' "$argument" >&2
      usage >&2
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
# shellcheck source=scripts/lib/temporal.sh
. scripts/lib/temporal.sh
# shellcheck source=scripts/lib/images.sh
. scripts/lib/images.sh

# Two runs at once would install and build over each other. Where flock is still to be
# installed there is nothing else of ours running either.
if [[ $check != 1 ]] && have flock; then
  mkdir -p "$(state_dir)"
  exec 9>"$(state_dir)/setup.lock"
  flock -w 1800 9 || die 'another setup.sh has been running for half an hour' "see: fuser $(state_dir)/setup.lock"
fi

check_node
setup_npm
setup_packages
setup_docker
# Where the temporal binary has to be compiled, that takes minutes: the images are made meanwhile.
temporal_job=
if [[ $check == 1 ]] || find_temporal >/dev/null; then
  setup_temporal
else
  setup_temporal &
  temporal_job=$!
  trap 'wait' EXIT
fi
if [[ $images == 1 ]]; then
  if [[ $check == 1 ]] && ! docker_answers; then
    missing images 'cannot tell without a Docker engine'
  else
    setup_images
  fi
fi
if [[ -n $temporal_job ]]; then
  wait "$temporal_job" || exit 1
fi
# Last: sources that do not compile must not keep a machine from getting everything else.
setup_build

if [[ $check == 1 && $missing_count != 0 ]]; then
  exit 1
fi
say ready 'nothing is missing'
