#!/bin/sh
# Registers the namespace with its retention, and the search attributes Holdfast's runs carry. As often
# as you like: what is there is kept, a retention that differs is changed. Works against any server.
#
# Environment: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE (default), TEMPORAL_RETENTION (1440h: 60 days, so
# that a monthly run can be compared with the one before), TEMPORAL_TLS_* where the server asks for it
set -eu

namespace=${TEMPORAL_NAMESPACE:-default}
retention=${TEMPORAL_RETENTION:-1440h}

# The port opens before the server answers.
tries=0
until temporal operator cluster health >/dev/null 2>&1; do
  tries=$((tries + 1))
  if [ "$tries" -ge 60 ]; then
    temporal operator cluster health # once more, to say why
    exit 1
  fi
  sleep 1
done

if temporal operator namespace describe --namespace "$namespace" >/dev/null 2>&1; then
  temporal operator namespace update --namespace "$namespace" --retention "$retention"
else
  temporal operator namespace create --namespace "$namespace" --retention "$retention"
fi

# A new namespace takes some seconds to be known everywhere.
tries=0
until known=$(temporal operator search-attribute list --namespace "$namespace" 2>/dev/null); do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || exit 1
  sleep 1
done
for name in HoldfastStack HoldfastTier HoldfastSet HoldfastStatus; do
  case $known in
    *"$name"*) ;;
    *)
      temporal operator search-attribute create --namespace "$namespace" --name "$name" --type Keyword
      ;;
  esac
done
echo "namespace $namespace is ready, ended runs are kept for $retention"
