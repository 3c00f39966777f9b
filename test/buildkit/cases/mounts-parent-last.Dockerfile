FROM docker.io/pipelayer-test/small:1
RUN --mount=source=dir,target=/x/y --mount=type=tmpfs,target=/x ls /x /x/y >/got && echo lost >/x/lost
