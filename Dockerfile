# The image holds the program, the example plugins and what they need to run. The compiler and
# the tests stay in the first stage.
#   docker build --build-arg REVISION="$(git rev-parse HEAD)" -t backfill .
# BASE may be pinned by digest: debian:bookworm-slim@sha256:…
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
      cmake g++ libcli11-dev libcpp-httplib-dev libfmt-dev libgmock-dev libgtest-dev \
      libhowardhinnant-date-dev libpq-dev \
      libspdlog-dev libsqlite3-dev libtomlplusplus-dev libxxhash-dev ninja-build \
      nlohmann-json3-dev pkg-config sqlite3 tzdata \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log
WORKDIR /backfill
COPY . .
# Files at once; each takes up to 1 GB of memory.
ARG JOBS=2
RUN cmake --preset release -DBACKFILL_BENCH=OFF -DCMAKE_INSTALL_PREFIX=/usr/local \
 && cmake --build --preset release -j "${JOBS}" --target unit_tests
# The tests that need no server and no other program; the rest ran before an image was asked for.
RUN ctest --preset release -L unit -LE tools -j "${JOBS}"
RUN DESTDIR=/image cmake --install build/release --strip

FROM ${BASE}
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
      ca-certificates libcpp-httplib0.11 libdate-tz3 libfmt9 libpq5 libspdlog1.10 libsqlite3-0 \
      libtomlplusplus3 libxxhash0 tzdata \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/ldconfig/aux-cache /var/log/apt \
      /var/log/alternatives.log /var/log/dpkg.log \
 && groupadd --system --gid 10001 backfill \
 && useradd --system --uid 10001 --gid 10001 --no-log-init --create-home \
      --home-dir /var/lib/backfill --shell /usr/sbin/nologin backfill
COPY --from=build /image/usr/local/bin/ /usr/local/bin/
COPY --from=build /image/usr/local/lib/backfill/ /usr/local/lib/backfill/
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="backfill" \
      org.opencontainers.image.description="Throttled, resumable, crash-safe backfills for PostgreSQL and SQLite" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"
# Checkpoints go where a volume can be mounted; the user may write nowhere else.
USER 10001:10001
WORKDIR /var/lib/backfill
# Exec form: SIGTERM reaches the program itself, which stops with its checkpoint saved.
ENTRYPOINT ["backfill"]
CMD ["--help"]
