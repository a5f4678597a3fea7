# shellcheck shell=bash
# Other versions of what Holdfast works with, for the tests only: downloaded and unpacked beside the
# machine's own, whose packages and package sources stay as they are.

versions_dir() {
  echo "$(tools_dir)/versions"
}

# apt_of SUITE ARGUMENTS…  apt-get with lists, cache and sources of its own, for another Debian.
apt_of() {
  local suite=$1 dir mirror
  shift
  dir=$(versions_dir)/apt-$suite
  mirror=$(debian_mirror)
  if [[ -z $mirror ]]; then
    echo "no mirror of Debian is among this machine's package sources" >&2
    return 1
  fi
  mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
    "$mirror" "$suite" >"$dir/sources.list"
  apt-get -q -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=- \
    -o Dir::State::lists="$dir/lists" -o Dir::Cache="$dir/cache" -o Dir::State::status=/dev/null \
    -o APT::Sandbox::User=root "$@"
}

# unpack_debian SUITE DIRECTORY PACKAGE…  Whole or not at all.
unpack_debian() {
  local suite=$1 target=$2 scratch file
  shift 2
  if [[ -d $target ]]; then return 0; fi
  say versions "unpacking $* of $suite"
  logged "apt-get update for $suite" apt_of "$suite" update || return 1
  scratch=$(mktemp -d "$(versions_dir)/unpack.XXXXXX")
  (cd "$scratch" && logged "apt-get download $*" apt_of "$suite" download "$@") || return 1
  mkdir "$scratch/root"
  for file in "$scratch"/*.deb; do dpkg-deb -x "$file" "$scratch/root"; done
  mv "$scratch/root" "$target"
  rm -rf "$scratch"
}

# A Docker engine and its client. runc stays the machine's own: a newer one wants a newer C library.
engine_dir() {
  local target
  target=$(versions_dir)/engine-$1
  unpack_debian "$1" "$target" docker.io docker-cli containerd >&2 || return 1
  echo "$target"
}

# Docker Compose v2, also as the plugin of the client.
compose_dir() {
  local target
  target=$(versions_dir)/compose-$1
  unpack_debian "$1" "$target" docker-compose >&2 || return 1
  echo "$target"
}

# Another Node.js, as its own package of the npm registry.
node_dir() {
  local target scratch
  target=$(versions_dir)/node-$1
  if [[ ! -d $target ]]; then
    say versions "installing Node.js $1" >&2
    scratch=$(mktemp -d "$(versions_dir)/node.XXXXXX")
    logged "npm install node@$1" npm install --prefix "$scratch" --no-save --no-audit --no-fund "node@$1" >&2 || return 1
    mv "$scratch" "$target"
  fi
  echo "$target/node_modules/node/bin"
}

# postgres_image MAJOR  An image of PostgreSQL, in what matters to a backup like the official one.
# 13 and 17 are Debian's, and so is the sample's own 15; 16 is a wheel. Of 14 no complete binaries are
# to be had: its server with the clients of 15 is a pair that nobody has.
postgres_image() {
  local major=$1 tag suite base scratch
  if [[ $major == 15 ]]; then
    echo holdfast-sample-postgres:latest
    return 0
  fi
  tag=holdfast-test-postgres-$major:$(tree_hash "$images_dir/postgres" test/matrix/images | cut -c1-12)
  if have_image "$tag"; then
    echo "$tag"
    return 0
  fi
  say versions "building $tag" >&2
  case $major in
    13) suite=bullseye ;;
    17) suite=trixie ;;
    16) suite= ;;
    *) die "there is no recipe for PostgreSQL $major" ;;
  esac
  if [[ -n $suite ]]; then
    base=holdfast-test-$suite:1
    if ! have_image "$base"; then image_suite=$suite build_base "$base" >&2 || return 1; fi
    build_image "$tag" --build-arg "BASE=$base" --build-arg "PG_MAJOR=$major" \
      -f "$images_dir/postgres/Dockerfile" "$images_dir" >&2 || return 1
  else
    scratch=$(mktemp -d "$(versions_dir)/postgres.XXXXXX")
    postgres_wheel "$scratch/binaries" >&2 || return 1
    build_image "$tag" --build-arg "MAJOR=$major" -f - "$scratch" >&2 \
      <test/matrix/images/postgres.Dockerfile || return 1
    rm -rf "$scratch"
  fi
  echo "$tag"
}

# postgres_wheel DIRECTORY  Binaries of PostgreSQL 16, and their libraries in DIRECTORY.libs.
postgres_wheel() {
  local target=$1 work=$1.download
  mkdir -p "$work"
  (cd "$work" && logged 'pip download' python3 -m pip download --no-deps --only-binary=:all: \
    --python-version 311 --platform manylinux2014_x86_64 pgserver==0.1.4 &&
    python3 -m zipfile -e ./*.whl .) || return 1
  mv "$work/pgserver/pginstall" "$target"
  mv "$work/pgserver.libs" "$target.libs"
  rm -rf "$work"
}
