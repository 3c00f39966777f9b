FROM docker.io/pipelayer-test/small:1 AS bad
COPY --from=bad /etc/passwd /x
FROM docker.io/pipelayer-test/small:1
RUN echo x >/x
