FROM docker.io/pipelayer-test/small:1 AS base
RUN echo base > /base
FROM base AS left
RUN echo l > /l
FROM base AS right
RUN echo r > /r
FROM scratch
COPY --from=left /base /l /left/
COPY --from=right /base /r /right/
