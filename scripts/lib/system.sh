# shellcheck shell=bash
# Debian packages and a Docker engine that answers.

# Asked several times in a run, and an engine that answered once is not asked again.
docker_answered=0
docker_answers() {
  if [[ $docker_answered == 1 ]]; then return 0; fi
  have docker && timeout 20 docker info >/dev/null 2>&1 || return 1
  docker_answered=1
}

compose_works() {
  # Only looked for, not run: docker-compose 1.x takes a second to say its version.
  { have docker && docker compose version >/dev/null 2>&1; } || have docker-compose
}

# debootstrap, dockerd and iptables live in sbin, which the PATH of an ordinary user may lack.
have_system() {
  have "$1" || [[ -x /usr/sbin/$1 || -x /sbin/$1 ]]
}

packages_wanted() {
  # A client alone is not an engine: look for the daemon, unless one answers already.
  if ! docker_answers && ! have_system dockerd; then echo docker.io; fi
  if ! have docker && have_system dockerd; then echo docker.io; fi
  if ! compose_works; then echo docker-compose; fi
  tar --version 2>/dev/null | grep -q 'GNU tar' || echo tar
  have zstd || echo zstd
  have_system debootstrap || echo debootstrap
  have flock || echo util-linux
  have setfacl || echo acl
  have setfattr || echo attr
  [[ -s /etc/ssl/certs/ca-certificates.crt ]] || echo ca-certificates
  have ps || echo procps
  have_system iptables || echo iptables
}

setup_packages() {
  local wanted
  # Here and not first in the subshell below, which could not remember the answer.
  docker_answers || true
  mapfile -t wanted < <(packages_wanted | sort -u)
  if [[ ${#wanted[@]} == 0 ]]; then
    say packages 'system packages are installed'
    return 0
  fi
  if [[ ${check:-0} == 1 ]]; then
    missing packages "${wanted[*]}"
    return 0
  fi
  have apt-get || die "these are missing: ${wanted[*]}" \
    'this script installs them on Debian and its descendants only; install them with your own package manager'
  require_root "install ${wanted[*]}"
  say packages "installing ${wanted[*]}"
  logged 'apt-get update' as_root apt-get update -q ||
    die 'apt-get update failed' 'is the package mirror reachable?'
  # The engine is started below. Without an init system, the package's own attempt would only fail.
  logged 'apt-get install' as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${wanted[@]}" ||
    die "apt-get could not install ${wanted[*]}" 'see the lines above'
  hash -r
}

state_dir() {
  if [[ $(id -u) == 0 ]]; then
    echo "${XDG_STATE_HOME:-/var/lib}/holdfast"
  else
    echo "${XDG_STATE_HOME:-$HOME/.local/state}/holdfast"
  fi
}

# A daemon that was killed leaves its pid file; once the number belongs to another process,
# the next daemon takes that one for itself and refuses to start (or waits for it for ever).
remove_stale_pid_file() {
  local file=$1 program=$2 pid
  as_root test -f "$file" || return 0
  pid=$(as_root cat "$file")
  if [[ $pid =~ ^[0-9]+$ && $(cat "/proc/$pid/comm" 2>/dev/null) == "$program" ]]; then
    return 0
  fi
  as_root rm -f "$file"
}

start_dockerd_by_hand() {
  local log dockerd extra=()
  # The daemon is root's, and so is its log.
  log=${XDG_STATE_HOME:-/var/lib}/holdfast/dockerd.log
  if [[ $(id -u) != 0 ]]; then log=/var/lib/holdfast/dockerd.log; fi
  dockerd=$(PATH=$PATH:/usr/sbin:/sbin command -v dockerd) ||
    die 'no Docker engine answers and there is no dockerd to start' 'install Docker Engine, or point DOCKER_HOST at one'
  read -r -a extra <<<"${HOLDFAST_DOCKERD_ARGS:-}"
  as_root mkdir -p "${log%/*}"
  if [[ ${#extra[@]} == 0 ]]; then
    remove_stale_pid_file /var/run/docker.pid dockerd
    remove_stale_pid_file /var/run/docker/containerd/containerd.pid containerd
  fi
  say docker "starting dockerd (log: $log)"
  # Fully detached: an own session, no terminal, and not the lock this script holds (fd 9).
  # shellcheck disable=SC2016
  as_root env PATH="$PATH:/usr/sbin:/sbin" setsid --fork bash -c 'log=$1; shift; exec "$@" >>"$log" 2>&1 </dev/null' \
    dockerd "$log" "$dockerd" "${extra[@]}" 9>&- </dev/null >/dev/null 2>&1

  local started=$SECONDS
  while ((SECONDS - started < 60)); do
    if as_root docker info >/dev/null 2>&1; then return 0; fi
    # Gone already: no use in waiting for the rest of the minute.
    # shellcheck disable=SC2009  # pgrep would count the zombie of a dockerd nobody waited for
    if ((SECONDS - started > 3)) && ! ps -C dockerd -o stat= | grep -qv '^Z'; then break; fi
    sleep 0.5
  done
  printf 'dockerd stopped, or did not answer within 60 s. The last lines of %s:\n' "$log" >&2
  as_root tail -n 30 "$log" >&2
  die 'the Docker engine does not start' 'it needs root, cgroups mounted, overlayfs and iptables: see the log'
}

setup_docker() {
  if docker_answers; then
    say docker "engine answers ($(docker version --format '{{.Server.Version}}'))"
    return 0
  fi
  if [[ ${check:-0} == 1 ]]; then
    missing docker 'an engine that answers'
    return 0
  fi
  if [[ -n ${DOCKER_HOST:-} && -z ${HOLDFAST_DOCKERD_ARGS:-} ]]; then
    die "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST" 'start that engine, or unset DOCKER_HOST to use the local one'
  fi
  require_root 'start the Docker engine'
  if [[ $(id -u) != 0 ]] && as_root docker info >/dev/null 2>&1; then
    die 'the Docker engine answers to root only' "add yourself to its group: sudo usermod -aG docker $(id -un), then log in again"
  fi
  if [[ -d /run/systemd/system ]]; then
    say docker 'systemctl start docker'
    as_root systemctl start docker || die 'systemctl could not start docker' 'journalctl -u docker'
    local tries
    for ((tries = 0; tries < 60; tries++)); do
      if as_root docker info >/dev/null 2>&1; then break; fi
      sleep 1
    done
  else
    start_dockerd_by_hand
  fi
  docker_answers || die 'the Docker engine answers to root only' \
    "add yourself to its group: sudo usermod -aG docker $(id -un), then log in again"
  say docker "engine answers ($(docker version --format '{{.Server.Version}}'))"
}
