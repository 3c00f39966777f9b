FROM docker.io/pipelayer-test/small:1 AS build
RUN --mount=from=build,target=/m true
