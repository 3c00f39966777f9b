ARG S=build
FROM docker.io/pipelayer-test/small:1 AS build
FROM docker.io/pipelayer-test/small:1
ARG S=build
RUN --mount=from=$S,target=/m true
