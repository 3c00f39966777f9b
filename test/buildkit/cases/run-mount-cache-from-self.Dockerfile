FROM docker.io/pipelayer-test/small:1 AS own
RUN --mount=type=cache,from=OWN,target=/m true
