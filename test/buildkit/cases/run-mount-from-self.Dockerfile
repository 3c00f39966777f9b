FROM docker.io/pipelayer-test/small:1 AS own
RUN --mount=from=own,target=/m true
