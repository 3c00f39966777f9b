FROM docker.io/pipelayer-test/bare:1 AS one
LABEL a=b
FROM one
ENV A=$PATH
