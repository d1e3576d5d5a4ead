# The image holds the program, the example plugins and what they need to run; the compiler
# stays in the first stage.
#   docker build --build-arg VERSION=0.1.0 --build-arg REVISION=$(git rev-parse HEAD) -t backfill .

FROM debian:bookworm-slim AS build
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
      g++ cmake ninja-build pkg-config libpq-dev libsqlite3-dev libcli11-dev libspdlog-dev \
      libfmt-dev libtomlplusplus-dev nlohmann-json3-dev libxxhash-dev libcpp-httplib-dev \
      libhowardhinnant-date-dev \
      libgtest-dev libgmock-dev sqlite3 tzdata \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /backfill
COPY . .
RUN cmake --preset release -DBACKFILL_BENCH=OFF -DCMAKE_INSTALL_PREFIX=/usr/local \
 && cmake --build --preset release
# Tests that need no database server; the others ran before this image was asked for.
RUN ctest --preset release -L unit
RUN DESTDIR=/image cmake --install build/release --strip

FROM debian:bookworm-slim
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="backfill" \
      org.opencontainers.image.description="Throttled, resumable, crash-safe backfills for PostgreSQL and SQLite" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
      libpq5 libsqlite3-0 libspdlog1.10 libfmt9 libtomlplusplus3 libxxhash0 libcpp-httplib0.11 \
      libdate-tz3 \
      tzdata ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home --home-dir /var/lib/backfill backfill
COPY --from=build /image/usr/local/ /usr/local/
# Checkpoints go where a volume can be mounted, and the user may write nowhere else.
USER 10001:10001
WORKDIR /var/lib/backfill
# Exec form: signals reach the program itself, which then stops with its checkpoint saved.
ENTRYPOINT ["backfill"]
CMD ["--help"]
