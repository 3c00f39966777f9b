FROM docker.io/pipelayer-test/small:1
RUN echo kept >/tmp/kept
RUN --mount=type=tmpfs,target=/tmp ls -A /tmp >/list && echo lost >/tmp/lost && stat -c %a /tmp >/mode
