FROM docker.io/pipelayer-test/small:1
RUN --mount=type=tmpfs,target=/x --mount=source=many,target=/x ls /x >/got
RUN --mount=source=many,target=/y --mount=type=tmpfs,target=/y ls /y >/got2
