FROM docker.io/pipelayer-test/small:1 AS x
RUN echo first > /f
FROM docker.io/pipelayer-test/small:1 AS y
COPY --from=x /f /g
FROM docker.io/pipelayer-test/small:1 AS x
RUN echo second > /f
FROM y
