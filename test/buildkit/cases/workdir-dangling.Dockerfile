FROM docker.io/pipelayer-test/small:1
WORKDIR /srv/dangling/inside
RUN echo x > x
