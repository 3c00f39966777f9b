FROM docker.io/pipelayer-test/configured:1
ENTRYPOINT []
CMD []
HEALTHCHECK NONE
USER root
LABEL keep=
ENV BASE=
