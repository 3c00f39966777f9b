FROM docker.io/pipelayer-test/small:1
RUN --mount=source=dir,target=/x --mount=source=many,target=/x ls /x >/got
