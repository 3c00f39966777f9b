FROM docker.io/pipelayer-test/small:1
RUN --mount=type=cache,target=/c,sharing=often true
