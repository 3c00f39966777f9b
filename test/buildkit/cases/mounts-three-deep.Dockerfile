FROM docker.io/pipelayer-test/small:1
RUN --mount=source=dir,target=/m/a/b --mount=type=tmpfs,target=/m --mount=type=cache,target=/m/a,id=mounts-three ls -A /m /m/a /m/a/b >/got
