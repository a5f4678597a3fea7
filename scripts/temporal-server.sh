#!/usr/bin/env bash
# Temporal's server and its schema tool, built once from the Go module proxy and kept outside the work
# tree: what `npm run test:temporal` runs docker-compose.temporal.yml with where its images can't be
# pulled. The first time takes some minutes; after that it only says where they are.
#
#   scripts/temporal-server.sh [--check]     prints the directory with temporal-server,
#                                            temporal-sql-tool, entrypoint.sh and schema/
#   --check   build nothing: exit 1 when they are not there
#
# Environment:
#   HOLDFAST_TEST_TEMPORAL_SERVER  a directory with the four to use instead
#   HOLDFAST_TOOLS                 where they go (~/.local/share/holdfast)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/common.sh
. scripts/lib/common.sh
# shellcheck source=scripts/lib/temporal.sh
. scripts/lib/temporal.sh

# The version the compose file pins: what is tested is what is described.
version=$(sed -n 's/.*temporalio\/server:\([0-9.]*\)}.*/\1/p' docker-compose.temporal.yml)
[[ -n $version ]] || die 'docker-compose.temporal.yml names no version of temporalio/server'
name=temporal-server-$version

complete() {
  [[ -x $1/temporal-server && -x $1/temporal-sql-tool && -d $1/schema/postgresql/v12 && -f $1/entrypoint.sh ]]
}

for candidate in "${HOLDFAST_TEST_TEMPORAL_SERVER:-}" "$(tools_dir)/$name" "/opt/holdfast-tools/$name"; do
  if [[ -n $candidate ]] && complete "$candidate"; then
    echo "$candidate"
    exit 0
  fi
done
if [[ ${1:-} == --check ]]; then
  printf 'temporal-server: %s is not built yet; scripts/temporal-server.sh does it\n' "$version" >&2
  exit 1
fi

target=$(tools_dir)/$name
mkdir -p "$(tools_dir)"
exec 9>"$(tools_dir)/.$name.lock"
flock 9
if ! complete "$target"; then
  go=$(usable_go) || die 'there is no Go to build with'
  scratch=$(mktemp -d "$(tools_dir)/.$name.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  mkdir "$scratch/module" "$scratch/out"
  say temporal-server "building $version with $("$go" env GOVERSION), which takes some minutes" >&2
  # A module of our own, since `go install pkg@version` refuses modules with replacements.
  build() {
    cd "$scratch/module"
    export GOTOOLCHAIN=auto GOFLAGS=-mod=mod CGO_ENABLED=0
    "$go" mod init holdfast.example/temporal-server
    "$go" get "go.temporal.io/server@v$version"
    nice -n 10 "$go" build -trimpath -ldflags '-s -w' -o "$scratch/out/temporal-server" \
      go.temporal.io/server/cmd/server
    nice -n 10 "$go" build -trimpath -ldflags '-s -w' -o "$scratch/out/temporal-sql-tool" \
      go.temporal.io/server/cmd/tools/sql
    # The module cache is read-only.
    cp -r "$("$go" list -m -f '{{.Dir}}' go.temporal.io/server)/schema" "$scratch/out/schema"
    cp "$("$go" list -m -f '{{.Dir}}' go.temporal.io/server)/docker/scripts/sh/entrypoint.sh" "$scratch/out/"
    chmod -R u+w "$scratch/out/schema" "$scratch/out/entrypoint.sh"
  }
  logged 'go build' bash -c "$(declare -f build); set -euo pipefail; scratch=$scratch go=$go version=$version; build" >&2
  mv "$scratch/out" "$target"
fi
echo "$target"
