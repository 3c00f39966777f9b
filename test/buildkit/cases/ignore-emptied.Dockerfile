FROM docker.io/pipelayer-test/small:1
COPY . /all/
COPY dir/sub /sub/
RUN --mount=target=/m cat /m/dir/sub/three.txt /m/dir/sub/deep/four.md >/got
