# shellcheck shell=bash
# The temporal binary: Temporal's own CLI with the development server inside.
# It is kept outside the work tree, where the programs look for it in the same order as here:
# $TEMPORAL_CLI, PATH, $HOLDFAST_TOOLS/bin (~/.local/share/holdfast/bin), /opt/holdfast-tools/bin.

temporal_version=v1.5.1

tools_dir() {
  echo "${HOLDFAST_TOOLS:-$HOME/.local/share/holdfast}"
}

find_temporal() {
  local candidate
  for candidate in "${TEMPORAL_CLI:-}" "$(command -v temporal || true)" \
    "$(tools_dir)/bin/temporal" /opt/holdfast-tools/bin/temporal; do
    if [[ -n $candidate && -x $candidate && ! -d $candidate ]]; then
      echo "$candidate"
      return 0
    fi
  done
  return 1
}

# The TypeScript SDK can fetch the binary itself, from Temporal's own download site. Bounded,
# because where that site is out of reach the connection may hang instead of being refused.
temporal_by_sdk() {
  [[ -d node_modules/@temporalio/testing ]] || return 1
  local target=$1 scratch file
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-temporal.XXXXXX")
  timeout --kill-after=5 "${HOLDFAST_DOWNLOAD_TIMEOUT:-90}" node --input-type=module - "$scratch" "$temporal_version" \
    >"$scratch/log" 2>&1 9>&- <<'JS' || true
import { lookup } from 'node:dns/promises';
import { TestWorkflowEnvironment } from '@temporalio/testing';
await lookup('temporal.download');
const [downloadDir, version] = process.argv.slice(2);
const environment = await TestWorkflowEnvironment.createLocal({
  server: { executable: { type: 'cached-download', downloadDir, version } },
});
await environment.teardown();
JS
  file=$(find "$scratch" -maxdepth 1 -type f -size +10M | head -n 1)
  if [[ -z $file ]]; then
    rm -rf "$scratch"
    return 1
  fi
  install -m 755 "$file" "$target.new"
  mv "$target.new" "$target"
  rm -rf "$scratch"
}

# Prints a go command that can build the CLI. Any Go from 1.21 on fetches the toolchain a module
# asks for by itself; an older one (Debian 12 has 1.19) is told to download it as a module.
usable_go() {
  local go minor toolchain dir
  go=$(command -v go || { [[ -x /usr/local/go/bin/go ]] && echo /usr/local/go/bin/go; } || true)
  if [[ -z $go ]]; then
    require_root 'install Go'
    say temporal 'installing Go from Debian to build it' >&2
    logged 'apt-get update' as_root apt-get update -q || return 1
    logged 'apt-get install golang-go' as_root env DEBIAN_FRONTEND=noninteractive \
      apt-get install -q -y --no-install-recommends golang-go || return 1
    go=$(command -v go) || return 1
  fi
  minor=$("$go" env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
  if ((${minor:-0} >= 21)); then
    echo "$go"
    return 0
  fi
  toolchain=v0.0.1-go1.25.0.$("$go" env GOOS)-$("$go" env GOARCH)
  say temporal "Go 1.$minor is too old: fetching toolchain ${toolchain#v0.0.1-}" >&2
  # Module zips carry no execute bits, and the module cache is read-only: hence the copy's chmod.
  dir=$("$go" mod download -json "golang.org/toolchain@$toolchain" | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')
  [[ -d $dir ]] || return 1
  chmod -R u+w "$dir"
  chmod 755 "$dir"/bin/* "$dir"/pkg/tool/*/*
  echo "$dir/bin/go"
}

temporal_by_go() {
  local target=$1 go
  go=$(usable_go) || return 1
  say temporal "building $temporal_version with $("$go" env GOVERSION), which takes some minutes"
  logged 'go install' env -u GOFLAGS GOTOOLCHAIN=auto CGO_ENABLED=0 GOBIN="$(dirname "$target")" \
    "$go" install -trimpath -ldflags '-s -w' "github.com/temporalio/cli/cmd/temporal@$temporal_version"
}

setup_temporal() {
  local found target
  if found=$(find_temporal); then
    say temporal "$found"
    return 0
  fi
  if [[ ${check:-0} == 1 ]]; then
    missing temporal "the temporal binary (would go to $(tools_dir)/bin)"
    return 0
  fi
  target=$(tools_dir)/bin/temporal
  mkdir -p "${target%/*}"
  say temporal 'trying the download of the Temporal SDK'
  if temporal_by_sdk "$target" || temporal_by_go "$target"; then
    say temporal "$target"
    return 0
  fi
  die 'could not get the temporal binary' \
    "put it on PATH, or name it in TEMPORAL_CLI, or allow one of: Temporal's download site, the Go module proxy"
}
