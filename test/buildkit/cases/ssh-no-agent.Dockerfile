FROM docker.io/pipelayer-test/small:1
RUN --mount=type=ssh echo "[$SSH_AUTH_SOCK]" >/got
