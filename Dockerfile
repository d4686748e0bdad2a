# Builds what the README runs. The host needs nothing but its binary; the
# toolchain stays in the first stage.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN rustup target add wasm32-wasip2 \
    && cargo build --release --locked --package scry

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home scry \
    && install --directory --owner scry /var/lib/scry
COPY --from=build /src/target/release/scry /usr/local/bin/scry
USER scry
VOLUME /var/lib/scry
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=2s --start-period=10s \
    CMD ["curl", "--fail", "--silent", "--output", "/dev/null", "http://127.0.0.1:8080/v2/health/ready"]
# Inside a container, loopback is nobody: both listeners are on all addresses,
# and the admin listener still wants its token (SCRY_ADMIN_TOKEN).
ENTRYPOINT ["scry"]
CMD ["serve", "--data", "/var/lib/scry", "--listen", "0.0.0.0:8080", "--admin-listen", "0.0.0.0:8081"]
