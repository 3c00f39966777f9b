FROM docker.io/pipelayer-test/small:1 AS 1st
RUN echo x >/x
