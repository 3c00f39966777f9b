FROM docker.io/pipelayer-test/small:1 AS one
RUN echo x >/x
FROM docker.io/pipelayer-test/small:1 AS small
COPY --from=docker.io/pipelayer-test/small:1 /etc/group /y
COPY --from=one /x /x
