FROM docker.io/pipelayer-test/shell:1 AS one
ONBUILD ENV PATH=/on:$PATH
FROM one
RUN echo "$PATH" >/path
