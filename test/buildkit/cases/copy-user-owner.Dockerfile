FROM docker.io/pipelayer-test/small:1
USER app
COPY a.txt /a
WORKDIR /made/by
COPY a.txt sub/
RUN id -u > /tmp/id
