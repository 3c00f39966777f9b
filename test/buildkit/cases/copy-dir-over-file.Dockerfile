FROM docker.io/pipelayer-test/small:1
COPY dir /etc/passwd
