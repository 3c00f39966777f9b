FROM docker.io/pipelayer-test/small:1
RUN --mount=type=tmpfs,target=/ true
