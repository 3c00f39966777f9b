FROM docker.io/pipelayer-test/small:1 AS first
COPY --from=second a.txt /
FROM scratch AS second
COPY --from=first a.txt /
