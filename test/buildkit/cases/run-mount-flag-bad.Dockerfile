FROM docker.io/pipelayer-test/small:1
RUN --mount=type=bind,target=/m,ro=x true
