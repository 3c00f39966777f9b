FROM docker.io/pipelayer-test/small:1
USER nobody-here
