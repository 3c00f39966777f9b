FROM docker.io/pipelayer-test/configured:1
ENTRYPOINT ["new"]
