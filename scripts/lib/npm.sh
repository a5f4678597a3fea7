# shellcheck shell=bash
# npm packages and the build, each redone only when what it is made from has changed.

check_node() {
  have node || die 'Node.js is not installed' 'install Node.js 20.19 or newer with npm'
  have npm || die 'npm is not installed' 'it comes with Node.js; some distributions package it as "npm"'
  node -e 'const [a, b] = process.versions.node.split(".").map(Number);
    process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    die "Node.js $(node --version) is too old" 'install Node.js 20.19 or newer'
}

# True when node_modules holds exactly what the lockfile names, by npm's own record of it:
# somebody ran npm by hand, and installing again would only pull files from under running programs.
node_modules_match_lockfile() {
  [[ -f node_modules/.package-lock.json ]] || return 1
  node -e '
    const fs = require("node:fs");
    const read = (file) => JSON.parse(fs.readFileSync(file, "utf8")).packages ?? {};
    const wanted = read("package-lock.json");
    const found = read("node_modules/.package-lock.json");
    const same = (a, b) => a.version === b.version && a.integrity === b.integrity;
    const ok = Object.entries(wanted).every(([name, entry]) => {
      if (name === "") return true;
      if (found[name] === undefined) return Boolean(entry.optional || entry.devOptional || entry.peer);
      return same(found[name], entry);
    });
    process.exit(ok ? 0 : 1);
  ' 2>/dev/null
}

# npm ci refuses a lockfile as soon as the registry in use lacks one of the packages that are for
# other platforms only, which private mirrors often do. npm install takes the same versions, checks
# the same hashes, and leaves those out. It must not rewrite the lockfile while at it.
npm_ci() {
  local log kept status=0
  log=$(mktemp "${TMPDIR:-/tmp}/holdfast-setup.XXXXXX")
  if npm ci --no-audit --no-fund >"$log" 2>&1; then
    rm -f "$log"
    return 0
  fi
  if ! grep -q 'npm ci. can only install packages when' "$log"; then
    head -n 40 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
  say npm 'npm ci refuses this lockfile with this registry: npm install, from the same lockfile'
  kept=$(mktemp "${TMPDIR:-/tmp}/holdfast-setup.XXXXXX")
  cp package-lock.json "$kept"
  logged 'npm install' npm install --no-audit --no-fund --no-save || status=$?
  if ! cmp -s package-lock.json "$kept"; then cp "$kept" package-lock.json; fi
  rm -f "$kept"
  return "$status"
}

setup_npm() {
  if [[ ! -f package.json ]]; then
    say npm 'no package.json here: skipped'
    return 0
  fi
  local stamp=node_modules/.holdfast-lock want
  if [[ -f package-lock.json ]]; then
    want=$(sha256sum package-lock.json | cut -c1-64)
    if [[ -f $stamp && $(<"$stamp") == "$want" ]]; then
      say npm 'packages are installed'
      return 0
    fi
    if node_modules_match_lockfile; then
      if [[ ${check:-0} != 1 ]]; then printf '%s\n' "$want" >"$stamp"; fi
      say npm 'packages are installed'
      return 0
    fi
    if [[ ${check:-0} == 1 ]]; then
      missing npm 'packages (npm ci)'
      return 0
    fi
    say npm 'installing packages (npm ci)'
    npm_ci || die 'npm could not install the packages' \
      'is the package registry reachable? does package-lock.json fit package.json?'
  else
    want=$(sha256sum package.json | cut -c1-64)
    if [[ -f $stamp && $(<"$stamp") == "$want" ]]; then
      say npm 'packages are installed'
      return 0
    fi
    if [[ ${check:-0} == 1 ]]; then
      missing npm 'packages (npm install)'
      return 0
    fi
    say npm 'no lockfile: installing packages (npm install)'
    logged 'npm install' npm install --no-audit --no-fund --no-package-lock ||
      die 'npm install failed' 'is the package registry reachable?'
  fi
  mkdir -p node_modules
  printf '%s\n' "$want" >"$stamp"
}

setup_build() {
  [[ -f package.json ]] || return 0
  if ! node -e 'process.exit(require("./package.json").scripts?.build ? 0 : 1)'; then
    say build 'package.json has no build script: skipped'
    return 0
  fi
  # Kept in node_modules, not in dist, which is what gets published.
  local stamp=node_modules/.holdfast-build want path inputs=()
  for path in src workflows activities demo bench package.json package-lock.json tsconfig*.json scripts/build.mjs; do
    if [[ -e $path ]]; then inputs+=("$path"); fi
  done
  want=$(tree_hash "${inputs[@]}")
  if [[ -f $stamp && $(<"$stamp") == "$want" && -n $(ls -A dist 2>/dev/null) ]]; then
    say build 'dist is up to date'
    return 0
  fi
  if [[ ${check:-0} == 1 ]]; then
    missing build 'dist (npm run build)'
    return 0
  fi
  say build 'npm run build'
  logged 'npm run build' npm run build || die 'the build failed' 'run "npm run build" to see all of its output'
  mkdir -p node_modules
  printf '%s\n' "$want" >"$stamp"
}
