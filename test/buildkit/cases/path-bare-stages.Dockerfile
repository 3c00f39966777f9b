FROM docker.io/pipelayer-test/shell:1 AS one
ENV PATH=/one:$PATH
FROM one
ENV PATH=/two:$PATH
RUN echo "$PATH" >/path
