FROM docker.io/pipelayer-test/small:1 AS one
RUN echo 1 > /f
FROM scratch
COPY --from="one" /f /g
