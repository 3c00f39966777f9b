FROM docker.io/pipelayer-test/small:1
RUN --mount=type=tmpfs,target=/var/run ls -A /run >/list && echo lost >/run/lost
