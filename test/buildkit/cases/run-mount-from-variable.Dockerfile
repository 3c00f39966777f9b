FROM docker.io/pipelayer-test/small:1
ARG S=small
RUN --mount=from=$S,target=/m true
