FROM docker.io/pipelayer-test/small:1
RUN --security=sandbox echo x > /x
