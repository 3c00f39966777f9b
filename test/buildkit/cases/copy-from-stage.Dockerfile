FROM docker.io/pipelayer-test/small:1 AS build
RUN mkdir /out && echo made > /out/file && ln -s file /out/link && chown 5:6 /out/file && chmod 751 /out
RUN touch -d @1000000000 /out/file
FROM scratch
COPY --from=build /out /copied
COPY --from=0 /out/file /numbered
COPY --from=build --chown=9 /out/link /followed
COPY --from=BUILD out/ /case/
