FROM docker.io/pipelayer-test/small:1 AS broken
RUN exit 1
FROM scratch
COPY a.txt /
