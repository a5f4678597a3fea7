# The worker (and the command line) in an image. Debian, since Temporal's core has no build for musl.
#
#   docker build -t holdfast:0.1.0 .
#
# Started by docker-compose.temporal.yml's profile `worker`; by hand it needs the mounts named there.
ARG BASE=node:22-bookworm-slim
# Where docker and its compose plugin come from.
ARG DOCKER_CLI=docker:28-cli
# Another image with a built /opt/holdfast can be named instead of the stage `build`.
ARG BUILT=build

FROM ${DOCKER_CLI} AS docker-cli

FROM ${BASE} AS build
WORKDIR /opt/holdfast
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY scripts/build.mjs scripts/
COPY src src
COPY workflows workflows
COPY activities activities
COPY demo demo
COPY bench bench
COPY config config
# Temporal's core comes for five platforms, of which one is used.
RUN node scripts/build.mjs \
  && npm prune --omit=dev --no-audit --no-fund \
  && rm -rf dist/demo dist/bench src workflows activities demo bench scripts \
  && find node_modules/@temporalio/core-bridge/releases -mindepth 1 -maxdepth 1 -type d \
    ! -name "$(uname -m)-unknown-linux-gnu" -exec rm -rf {} +

FROM ${BUILT} AS built

FROM ${BASE}
# GNU tar and zstd move the data, attr reads what tar can't be asked for; tini reaps what children
# leave and passes signals on.
RUN apt-get update \
  && apt-get install -y --no-install-recommends attr ca-certificates tar tini util-linux zstd \
  && rm -rf /var/lib/apt/lists/*
COPY --from=docker-cli /usr/local/bin/docker /usr/local/bin/docker
COPY --from=docker-cli /usr/local/libexec/docker/cli-plugins/docker-compose /usr/local/libexec/docker/cli-plugins/docker-compose
COPY --from=built /opt/holdfast /opt/holdfast
RUN ln -s /opt/holdfast/dist/src/cli/main.js /usr/local/bin/holdfast
ENV NODE_ENV=production
# Of others' files root in the container is root on the host: ownership must come out as it was.
USER root
ENTRYPOINT ["tini", "--", "holdfast"]
CMD ["worker"]
