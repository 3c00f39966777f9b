FROM docker.io/pipelayer-test/small:1 AS build
COPY --from=BUILD /etc/passwd /x
