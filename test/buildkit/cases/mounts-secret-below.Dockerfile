FROM docker.io/pipelayer-test/small:1
RUN --mount=type=secret,id=key,target=/run/keys/key --mount=type=tmpfs,target=/run cat /run/keys/key >/got; ls /run >>/got
