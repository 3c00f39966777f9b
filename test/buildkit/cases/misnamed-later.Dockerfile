FROM docker.io/pipelayer-test/small:1
COPY --from=later /x /x
FROM docker.io/pipelayer-test/small:1 AS later
RUN echo x >/x
FROM docker.io/pipelayer-test/small:1
