FROM docker.io/pipelayer-test/triggers:1 AS one
FROM one
RUN echo "${FLAVOUR-none}" > /second
