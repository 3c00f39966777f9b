FROM docker.io/pipelayer-test/shell:1
RUN echo "$PATH" >/path
