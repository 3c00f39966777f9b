FROM docker.io/pipelayer-test/small:1
RUN --mount=type=bind,source=nowhere,target=/x true
