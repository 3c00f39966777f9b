FROM --platform=$BUILDPLATFORM docker.io/pipelayer-test/small:1
RUN echo x > /x
