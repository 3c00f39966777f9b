FROM docker.io/pipelayer-test/small:1
RUN --mount=type=cache,target=/case-ro,ro echo x >/case-ro/f 2>/dev/null || ls -A /case-ro >/got
