FROM docker.io/pipelayer-test/small:1
COPY <<.. /x/
text
..
