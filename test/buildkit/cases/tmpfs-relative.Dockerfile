FROM docker.io/pipelayer-test/small:1
WORKDIR /w
RUN --mount=type=tmpfs,target=rel echo lost >/w/rel/lost && grep -c ' /w/rel tmpfs ' /proc/mounts >/got
