FROM docker.io/pipelayer-test/small:1
WORKDIR /etc/passwd/x
