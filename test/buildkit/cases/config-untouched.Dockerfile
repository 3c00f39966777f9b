FROM docker.io/pipelayer-test/configured:1
