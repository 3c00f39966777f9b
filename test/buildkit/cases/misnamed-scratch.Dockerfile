FROM docker.io/pipelayer-test/small:1 AS scratch
RUN echo x >/x
FROM scratch
COPY a.txt /
