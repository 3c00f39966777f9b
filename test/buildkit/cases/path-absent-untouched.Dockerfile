FROM docker.io/pipelayer-test/bare:1
