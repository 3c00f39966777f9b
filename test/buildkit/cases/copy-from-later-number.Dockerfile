FROM docker.io/pipelayer-test/small:1 AS first
COPY --from=1 a.txt /
FROM scratch
COPY a.txt /
