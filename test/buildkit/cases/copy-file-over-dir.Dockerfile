FROM docker.io/pipelayer-test/small:1
RUN mkdir -p /x/a.txt
COPY a.txt /x/
