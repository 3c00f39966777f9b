FROM docker.io/pipelayer-test/small:1
RUN --mount=type=bind,target=/x --mount=type=tmpfs,target=/x/ ls -A /x > /seen; stat -c %a /x >> /seen
