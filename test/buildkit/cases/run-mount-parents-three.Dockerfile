FROM docker.io/pipelayer-test/small:1
RUN --mount=type=tmpfs,target=/x/y/z --mount=type=cache,id=three,target=/x/y --mount=type=bind,target=/x,rw ls /x/y > /seen && [ -d /x/dir ]
