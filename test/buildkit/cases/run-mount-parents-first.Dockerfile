FROM docker.io/pipelayer-test/small:1
RUN --mount=type=bind,target=/x/y --mount=type=tmpfs,target=/x ls /x /x/y > /seen
