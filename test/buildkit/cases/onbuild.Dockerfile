FROM docker.io/pipelayer-test/triggers:1
RUN ls /triggered > /list
