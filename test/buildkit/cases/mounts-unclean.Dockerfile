FROM docker.io/pipelayer-test/small:1
RUN --mount=source=dir,target=/a/../x//y/ ls /x/y >/got
RUN --mount=source=dir,target=/x//y/ --mount=type=tmpfs,target=/x/. ls /x/y >/got2
