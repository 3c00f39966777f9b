FROM docker.io/pipelayer-test/small:1 AS build
COPY --from=build /etc/passwd /x
