# shellcheck shell=bash
# Shared by setup.sh and its steps: messages, privileges, hashes.

quiet=${quiet:-0}

say() {
  if [[ $quiet != 1 ]]; then
    printf '%-10s %s\n' "$1" "$2"
  fi
}

# die MESSAGE [HINT]
die() {
  printf 'setup: %s\n' "$1" >&2
  if [[ -n ${2:-} ]]; then
    printf '       hint: %s\n' "$2" >&2
  fi
  exit 1
}

# In --check mode a step that would change something calls this and returns.
missing_count=0
missing() {
  missing_count=$((missing_count + 1))
  printf '%-10s missing: %s\n' "$1" "$2"
}

have() {
  command -v "$1" >/dev/null 2>&1
}

# as_root COMMAND…  Keeps the few variables that decide where things are downloaded from.
as_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@"
  elif have sudo; then
    sudo --preserve-env=http_proxy,https_proxy,no_proxy,HTTP_PROXY,HTTPS_PROXY,NO_PROXY "$@"
  else
    die "must run $1 as root, but this is neither root nor is there sudo" 'run this script as root once'
  fi
}

# Says so before the work starts: inside a command whose output is kept aside it would get lost.
require_root() {
  if [[ $(id -u) != 0 ]] && ! have sudo; then
    die "must $1, but this is neither root nor is there sudo" 'run this script as root once'
  fi
}

# Runs a command with its output kept aside; shows it only when it fails.
# logged LABEL COMMAND…
logged() {
  local label=$1 log status=0
  shift
  log=$(mktemp "${TMPDIR:-/tmp}/holdfast-setup.XXXXXX")
  "$@" >"$log" 2>&1 || status=$?
  if [[ $status != 0 ]]; then
    # The cause comes first with some programs (npm), last with others (apt).
    printf '%s: failed (exit %d):\n' "$label" "$status" >&2
    if (($(wc -l <"$log") > 50)); then
      head -n 15 "$log" >&2
      printf '    […]\n' >&2
      tail -n 30 "$log" >&2
    else
      cat "$log" >&2
    fi
  fi
  rm -f "$log"
  return "$status"
}

# One hash over the names and contents of the files below the paths given.
# The locale is fixed because the order of names decides the hash.
tree_hash() {
  LC_ALL=C find "$@" -type f -not -name '*.pyc' -print0 2>/dev/null |
    LC_ALL=C sort -z | xargs -0 -r sha256sum | sha256sum | cut -c1-64
}
