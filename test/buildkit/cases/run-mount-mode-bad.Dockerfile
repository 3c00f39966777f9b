FROM docker.io/pipelayer-test/small:1
RUN --mount=type=cache,target=/m,mode=99 true
