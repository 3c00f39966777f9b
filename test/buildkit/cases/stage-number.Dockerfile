FROM docker.io/pipelayer-test/small:1
RUN echo 1 > /1
FROM scratch
COPY --from=0 /1 /2
