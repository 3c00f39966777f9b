FROM docker.io/pipelayer-test/small:1
COPY --from=0 /etc/passwd /x
