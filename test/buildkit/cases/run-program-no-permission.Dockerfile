FROM docker.io/pipelayer-test/small:1
RUN ["/etc/passwd"]
