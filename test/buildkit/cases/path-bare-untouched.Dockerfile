FROM docker.io/pipelayer-test/bare:1
LABEL a=b
