FROM docker.io/pipelayer-test/small:1
COPY --from=7 /etc/passwd /x
