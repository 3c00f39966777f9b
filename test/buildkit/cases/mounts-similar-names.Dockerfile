FROM docker.io/pipelayer-test/small:1
RUN --mount=source=dir,target=/x/y --mount=type=tmpfs,target=/x-1 --mount=source=many,target=/x-1/y --mount=type=tmpfs,target=/x ls /x /x/y /x-1 /x-1/y >/got
