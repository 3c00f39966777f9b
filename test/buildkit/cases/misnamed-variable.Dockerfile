ARG S=build
FROM docker.io/pipelayer-test/small:1 AS build
FROM scratch
ARG S=build
COPY --from=$S /etc/passwd /x
