#!/usr/bin/env bash
# Makes the secrets of docker-compose.temporal.yml: the database's password, an authority of your own,
# the server's certificate, and one certificate for each who may talk to it. Needs openssl.
#
#   prepare.sh [--dir DIRECTORY] [--name NAME]… [--client NAME]… [--renew]
#
#   --dir DIRECTORY  where to (./secrets beside this script)
#   --name NAME      a further host name or IP address the server is reached at
#   --client NAME    a certificate for one more client, say the worker of another host
#   --renew          new certificates by the same authority (they are good for 825 days)
#
# What is there is kept. The directory is for its owner only; the files in it are readable, since the
# users inside the containers, who see single files of it, are others than outside. Keep ca.key away
# from the host once all certificates are made: who has it can make a client.
set -euo pipefail
umask 077

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=$here/secrets
renew=0
names=(temporal localhost 127.0.0.1)
clients=(admin worker ui)
while (($# > 0)); do
  case $1 in
    --dir) dir=${2:?} && shift ;;
    --name) names+=("${2:?}") && shift ;;
    --client) clients+=("${2:?}") && shift ;;
    --renew) renew=1 ;;
    -h | --help)
      sed -n '2,/^set -/{/^set -/!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    *)
      printf 'prepare: unknown option %s\n' "$1" >&2
      exit 2
      ;;
  esac
  shift
done

mkdir -p "$dir"
chmod 700 "$dir"
cd "$dir"

if [[ ! -s postgres-password ]]; then
  openssl rand -hex 24 >postgres-password
fi
if [[ ! -s ca.key ]]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem \
    -days 3650 -subj '/CN=Holdfast Temporal authority' \
    -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign' \
    2>/dev/null
fi

# certificate NAME USAGE ALTERNATIVE-NAMES
certificate() {
  if [[ -s $1.pem && $renew != 1 ]]; then
    return 0
  fi
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key.new" \
    -out "$1.csr" -subj "/CN=$1" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 825 -out "$1.pem.new" \
    -extfile <(printf 'extendedKeyUsage=%s\nsubjectAltName=%s\n' "$2" "$3") 2>/dev/null
  rm "$1.csr"
  # Written over, not replaced: containers have these very files mounted.
  cat "$1.key.new" >"$1.key"
  cat "$1.pem.new" >"$1.pem"
  rm "$1.key.new" "$1.pem.new"
  printf 'made %s\n' "$dir/$1.pem"
}

alternatives=()
for name in "${names[@]}"; do
  if [[ $name =~ ^[0-9.]+$ || $name == *:* ]]; then
    alternatives+=("IP:$name")
  else
    alternatives+=("DNS:$name")
  fi
done
# The server is its own client, too: its parts talk to each other.
certificate server serverAuth,clientAuth "$(
  IFS=,
  echo "${alternatives[*]}"
)"
for client in "${clients[@]}"; do
  certificate "$client" clientAuth "DNS:$client"
done

chmod 444 ./*.pem ./*.key postgres-password
chmod 400 ca.key
printf 'the secrets are in %s\n' "$dir"
