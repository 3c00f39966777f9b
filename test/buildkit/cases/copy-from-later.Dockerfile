FROM scratch
COPY --from=1 /a /
FROM docker.io/pipelayer-test/small:1
