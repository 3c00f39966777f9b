FROM docker.io/pipelayer-test/bare:1
RUN echo "$PATH" >/path
