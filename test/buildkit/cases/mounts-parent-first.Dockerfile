FROM docker.io/pipelayer-test/small:1
RUN --mount=type=tmpfs,target=/x --mount=source=dir,target=/x/y ls /x /x/y >/got && echo lost >/x/lost
