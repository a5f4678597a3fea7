# PostgreSQL from binaries that are no Debian packages, on the image of the sample: entrypoint, user and
# paths are the same.
FROM holdfast-sample-postgres:latest
# Not PG_MAJOR: the value of the image below would be taken for it.
ARG MAJOR
ENV PG_MAJOR=${MAJOR} \
    PATH=/usr/lib/postgresql/${MAJOR}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY binaries/ /usr/lib/postgresql/${MAJOR}/
# Where a wheel's programs look for its own libraries.
COPY binaries.libs/ /usr/lib/pgserver.libs/
RUN set -eux; \
    chmod 755 /usr/lib/postgresql/${MAJOR}/bin/*; \
    find /usr/lib/postgresql/${MAJOR}/share -name postgresql.conf.sample -exec sed -i \
      -e "s/^#\?listen_addresses *=.*/listen_addresses = '*'/" \
      -e "s|^#\?unix_socket_directories *=.*|unix_socket_directories = '/var/run/postgresql'|" {} +; \
    postgres --version
LABEL dev.holdfast.sample="1"
