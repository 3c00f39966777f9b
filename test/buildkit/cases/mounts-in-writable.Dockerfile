FROM docker.io/pipelayer-test/small:1
RUN --mount=target=/m,rw --mount=type=cache,target=/m/cached,id=mounts-in echo x >/m/cached/x && ls /m/cached /m/dir >/got
