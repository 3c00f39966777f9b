FROM docker.io/pipelayer-test/small:1
COPY --chown=nobody-here a.txt /
