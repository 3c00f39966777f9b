FROM docker.io/pipelayer-test/small:1 AS own
COPY --from=OWN /etc/passwd /x
