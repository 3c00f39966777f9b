FROM docker.io/pipelayer-test/small:1 AS build
FROM scratch
COPY --from=build /no/such /
