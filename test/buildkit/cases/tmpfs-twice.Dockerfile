FROM docker.io/pipelayer-test/small:1
RUN --mount=type=tmpfs,target=/t --mount=type=tmpfs,target=/t echo x >/t/x && ls /t >/got
