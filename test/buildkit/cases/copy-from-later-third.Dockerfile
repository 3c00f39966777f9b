FROM docker.io/pipelayer-test/small:1 AS first
COPY --from=second a.txt /
FROM scratch AS second
COPY a.txt /
FROM first
