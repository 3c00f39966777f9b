FROM docker.io/pipelayer-test/small:1
WORKDIR /home/app
WORKDIR /tmp
RUN echo x > x
