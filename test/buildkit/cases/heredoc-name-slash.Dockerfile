FROM docker.io/pipelayer-test/small:1
COPY <<a/b /x/
text
a/b
