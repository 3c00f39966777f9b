FROM docker.io/pipelayer-test/small:1
USER app
WORKDIR /mine/here
USER other
WORKDIR deeper
USER 4321:1234
WORKDIR /numbers
