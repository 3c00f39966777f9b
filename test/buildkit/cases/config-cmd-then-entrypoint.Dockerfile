FROM docker.io/pipelayer-test/configured:1
CMD ["mine"]
ENTRYPOINT ["new"]
