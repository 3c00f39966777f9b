FROM docker.io/pipelayer-test/small:1 AS build
USER app
RUN echo mine > /home/app/mine
FROM scratch
COPY --from=build /home /home
COPY --from=build /home/app/mine /single
