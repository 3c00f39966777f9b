FROM docker.io/pipelayer-test/small:1 AS first
RUN --mount=from=second,target=/m true
FROM scratch AS second
COPY a.txt /
