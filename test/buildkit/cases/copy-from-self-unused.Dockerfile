FROM docker.io/pipelayer-test/small:1 AS own
COPY --from=own /etc/passwd /x
FROM docker.io/pipelayer-test/small:1
