FROM docker.io/pipelayer-test/small:1
RUN --mount=type=secret,env=key true
