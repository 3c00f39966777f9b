FROM docker.io/pipelayer-test/small:1
RUN --mount=source=dir,target=/m --mount=type=tmpfs,target=/m/not-there true
