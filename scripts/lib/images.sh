# shellcheck shell=bash
# Sample images for the demo and the tests, built from Debian packages when no image registry
# is in reach. Tagged with a hash of what they are made from, so nothing is built twice.

images_dir=demo/images
image_suite=bookworm
# Change this when build_base changes what is in the image.
base_recipe="1 $image_suite zstd ca-certificates"
sample_images=(postgres prometheus grafana qdrant exporter agent webbot)

have_image() {
  docker image inspect "$1" >/dev/null 2>&1
}

# image_dir NAME: the directory its Dockerfile is in. The stand-ins share one, with a target each.
image_dir() {
  case $1 in
    postgres | prometheus) echo "$images_dir/$1" ;;
    *) echo "$images_dir/services" ;;
  esac
}

base_tag() {
  printf 'holdfast-sample-base:%s' "$(printf '%s' "$base_recipe" | sha256sum | cut -c1-12)"
}

image_tag() {
  printf 'holdfast-sample-%s:%s' "$1" \
    "$({ tree_hash "$(image_dir "$1")" "$images_dir/common" && base_tag; } | sha256sum | cut -c1-12)"
}

# The mirror this machine itself installs from, which may be a cache or a proxy. Nothing is
# printed where the machine is not a Debian: debootstrap then uses its own default.
debian_mirror() {
  grep -q '^ID=debian' /etc/os-release || return 0
  {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
      sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\(http[^ ]*\) .*/\2/p'
    cat /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -n 's/^URIs: *\(http[^ ]*\).*/\1/p'
  } | grep -E '/debian/?$' | head -n 1 || true
}

apt_setting() {
  local VALUE=
  if have apt-config; then eval "$(apt-config shell VALUE "$1")"; fi
  printf '%s' "$VALUE"
}

try_pull() {
  [[ ${HOLDFAST_PULL:-1} == 1 ]] && timeout --kill-after=5 120 docker pull "$1" >/dev/null 2>&1
}

# build_image TAG ARGS…  Falls back to the host's network where the bridge has no way out.
build_image() {
  local tag=$1 proxy
  shift
  proxy=$(apt_setting Acquire::http::Proxy)
  if [[ -n $proxy ]]; then set -- --build-arg "http_proxy=$proxy" "$@"; fi
  if DOCKER_BUILDKIT=0 logged "docker build $tag" docker build --quiet -t "$tag" --label dev.holdfast.sample=1 "$@"; then
    return 0
  fi
  say images 'trying again with the network of the host'
  DOCKER_BUILDKIT=0 logged "docker build $tag" docker build --quiet --network host -t "$tag" --label dev.holdfast.sample=1 "$@"
}

build_base() {
  local tag=$1 scratch mirror proxy options=() arguments=()
  if try_pull "debian:$image_suite-slim"; then
    say images "$tag from debian:$image_suite-slim"
    # shellcheck disable=SC2016
    build_image "$tag" - < <(printf '%s\n' "FROM debian:$image_suite-slim" \
      'RUN apt-get update && apt-get install -y --no-install-recommends zstd ca-certificates && rm -rf /var/lib/apt/lists/*')
    return
  fi
  say images "$tag with debootstrap (about a minute)"
  require_root 'run debootstrap'
  mirror=$(debian_mirror)
  proxy=$(apt_setting Acquire::http::Proxy)
  options=(--variant=minbase '--include=zstd,ca-certificates')
  if [[ -n $mirror ]]; then arguments=("$mirror"); fi
  # Not in /tmp, which may be mounted nodev or noexec, or be too small.
  as_root mkdir -p /var/cache/holdfast
  scratch=$(as_root mktemp -d /var/cache/holdfast/rootfs.XXXXXX)
  logged debootstrap as_root env ${proxy:+http_proxy="$proxy"} PATH="$PATH:/usr/sbin:/sbin" \
    debootstrap "${options[@]}" "$image_suite" "$scratch" "${arguments[@]}" || {
    as_root rm -rf --one-file-system "$scratch"
    return 1
  }
  # As in the official Debian images: packages do not start daemons, and no cache stays behind.
  # shellcheck disable=SC2016
  as_root bash -c '
    set -euo pipefail
    printf "#!/bin/sh\nexit 101\n" >"$1/usr/sbin/policy-rc.d"
    chmod 755 "$1/usr/sbin/policy-rc.d"
    # A frozen mirror has an expired Release file; the apt of this machine was told so too.
    if [[ $2 == false ]]; then
      echo "Acquire::Check-Valid-Until \"false\";" >"$1/etc/apt/apt.conf.d/90frozen-mirror"
    fi
    rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/* "$1"/var/log/*.log
  ' bash "$scratch" "$(apt_setting Acquire::Check-Valid-Until)"
  as_root tar --numeric-owner --one-file-system -C "$scratch" -c . |
    docker import --change 'CMD ["bash"]' --change 'LABEL dev.holdfast.sample=1' - "$tag" >/dev/null
  as_root rm -rf --one-file-system "$scratch"
}

build_sample() {
  local name=$1 tag=$2 base=$3 target=()
  if [[ $name == postgres ]] && try_pull postgres:15; then
    build_image "$tag" - < <(printf '%s\n' 'FROM postgres:15')
    return
  fi
  if [[ $(image_dir "$name") == "$images_dir/services" ]]; then target=(--target "$name"); fi
  build_image "$tag" --build-arg "BASE=$base" "${target[@]}" -f "$(image_dir "$name")/Dockerfile" "$images_dir"
}

setup_images() {
  local name base todo=() ids i
  local -A tags=()
  base=$(base_tag)
  for name in "${sample_images[@]}"; do
    tags[$name]=$(image_tag "$name")
  done

  # The usual case, in one question: everything is there, and :latest is what this tree describes.
  local asked=("$base" holdfast-sample-base:latest)
  for name in "${sample_images[@]}"; do
    asked+=("${tags[$name]}" "holdfast-sample-$name:latest")
  done
  if ids=$(docker image inspect -f '{{.Id}}' "${asked[@]}" 2>/dev/null); then
    mapfile -t ids <<<"$ids"
    for ((i = 0; i < ${#ids[@]}; i += 2)); do
      if [[ ${ids[i]} != "${ids[i + 1]}" ]]; then todo+=("${asked[i + 1]}"); fi
    done
    if [[ ${#todo[@]} == 0 ]]; then
      say images "base ${sample_images[*]}: built"
      return 0
    fi
  fi
  if [[ ${check:-0} == 1 ]]; then
    have_image "$base" || todo+=(base)
    for name in "${sample_images[@]}"; do
      have_image "${tags[$name]}" || todo+=("$name")
    done
    missing images "${todo[*]:-the tag :latest of some}"
    return 0
  fi

  have_image "$base" || build_base "$base" || die 'could not make the base image' 'see the lines above'
  docker tag "$base" holdfast-sample-base:latest
  for name in "${sample_images[@]}"; do
    if ! have_image "${tags[$name]}"; then
      say images "${tags[$name]}"
      build_sample "$name" "${tags[$name]}" "$base" || die "could not build ${tags[$name]}" 'see the lines above'
    fi
    # The compose files name :latest.
    docker tag "${tags[$name]}" "holdfast-sample-$name:latest"
  done
}
