FROM docker.io/pipelayer-test/small:1 AS build
RUN echo built > /two.txt
FROM scratch
COPY --from=build /two.txt /
