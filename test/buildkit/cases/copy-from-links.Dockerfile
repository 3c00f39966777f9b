FROM docker.io/pipelayer-test/small:1 AS build
FROM scratch
COPY --from=build /var/run/ /run/
COPY --from=build /srv /srv
COPY --from=build /var/link/file /file
COPY --from=build /srv/conf /conf
COPY --from=build /opt/pack /pack
