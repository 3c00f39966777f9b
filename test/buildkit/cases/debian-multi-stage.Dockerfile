FROM docker.io/pipelayer-test/debian:1 AS build
WORKDIR /src
COPY many ./many
COPY script.sh .
RUN for d in many/*; do cat $d/x/file.go >> all.go; done && ./script.sh > out && mkdir -p /dist/bin && install -m 755 script.sh /dist/bin/run && install -m 600 -o 10 -g 20 all.go /dist/data
FROM docker.io/pipelayer-test/debian:1
COPY --from=build /dist /usr/local
COPY --from=build --chmod=750 /src/out /srv/out
ENV PATH=$PATH:/extra
HEALTHCHECK CMD run
ENTRYPOINT ["run"]
