FROM docker.io/pipelayer-test/small:1 AS first
RUN --mount=from=later,target=/m true
FROM docker.io/pipelayer-test/small:1 AS later
FROM first
